import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { textWith } from '../helpers/text-with.ts';
import { addRelease } from '../helpers/upstream-builds.ts';

const SCRIPT = join(import.meta.dirname, '..', '..', 'scripts', 'include-pocketbase.ts');

let directory: string;
let version: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-packed-'));
  const binary = await verifyBinary(null);
  version = binary.version;
  await addRelease(join(directory, 'mirror'), version, binary.path);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** What `npm pack` runs. */
async function include(env: Record<string, string>) {
  const args = ['--disable-warning=ExperimentalWarning', SCRIPT, join(directory, 'packed')];
  const { exitCode, stderr } = await execa(process.execPath, args, {
    env: { PB_RELEASES_URL: join(directory, 'mirror'), ...env },
    extendEnv: false,
    reject: false,
  });
  return { exitCode, stderr };
}

it('is a source of installations, and is in no later package without the variable', async () => {
  const included = await include({ PACK_POCKETBASE: `v${version}` });
  expect(included).toEqual({
    exitCode: 0,
    stderr: textWith(version, join(directory, 'mirror'), 'CVE-2026-82410'),
  });
  const dataDir = join(directory, 'data');
  const from = join(directory, 'packed');
  const args = ['pocketbase', 'install', version, '--from', from, '--data-dir', dataDir, '--json'];
  const { code, out } = await runInProcess(args, { cwd: directory });
  expect([code, (JSON.parse(out) as { version: string }).version]).toEqual([0, version]);
  expect(await include({})).toEqual({ exitCode: 0, stderr: '' });
  expect(existsSync(from)).toBe(false);
});

it.each([
  ['latest', 'name a version'],
  ['0.36.6', '0.36.7'],
  ['0.99.0', 'checksums.txt'],
])('is not %s', async (wanted, says) => {
  const { exitCode, stderr } = await include({ PACK_POCKETBASE: wanted });
  expect(exitCode).toBe(1);
  expect(stderr).toContain(says);
});
