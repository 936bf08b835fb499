import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePortRange } from '../../../../test/helpers/free-ports.ts';
import { mayMount, mountTmpfs } from '../../../../test/helpers/mounts.ts';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { createEnvFile } from '../../../config/sources/secrets-file.ts';
import { gatherFacts, readHostSettings, type VerifyBinary } from './gather.ts';
import { findTargetInMemory } from './memory-disks.ts';

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-doctor-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const verified: VerifyBinary = async (path) => ({
  path: path ?? 'embedded',
  version: '0.39.1',
  sha256: '6781',
  embedded: path === null,
  stamp: '',
});

function gather(env: Record<string, string> = {}, verify: VerifyBinary = verified) {
  return gatherFacts(readHostSettings({ commandLine: {}, env, cwd }), verify);
}

it('changes nothing on the host', async () => {
  await gather();
  expect(readdirSync(cwd)).toEqual([]);
});

it('gathers the other facts when the configuration is invalid', async () => {
  const facts = await gather({ PB_BINARY_PATH: '/opt/pb' });
  expect(facts).toMatchObject({
    config: { valid: false },
    binary: { usable: true, path: '/opt/pb' },
    dataDir: { path: join(cwd, 'var'), state: 'absent', mode: null },
    ports: [],
    daemon: { state: 'absent', socketPath: join(cwd, 'var/run/fathomd.sock') },
    flock: 'ok',
  });
  expect(facts.disks.flatMap(({ directories }) => directories.map(({ setting }) => setting))).toEqual([
    'FATHOM_DATA_DIR',
    'PB_USER_DBS_PATH',
    'FATHOM_SOCKET',
  ]);
  expect(facts.disks[0]?.freeBytes).toBeGreaterThan(0);
});

const findInMemory = (target: string, dataDir: string) =>
  findTargetInMemory(target, dataDir, (path) => Promise.resolve(path));

it.skipIf(!mayMount)('finds backups in memory, unless the data is there as well (needs root)', async () => {
  const memory = await scratch();
  await mountTmpfs(memory, 1);
  expect(await findInMemory(memory, '/')).toBe(memory);
  expect(await findInMemory(memory, memory)).toBeNull();
  for (const target of ['/', 's3://bucket', '/no/such/directory'])
    expect(await findInMemory(target, '/')).toBeNull();
});

it('distinguishes used and free ports', async () => {
  await createEnvFile(join(cwd, '.env'), {
    dataDir: join(cwd, 'var'),
    userDatabasesDir: join(cwd, 'var', 'user_dbs'),
  });
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { ports } = await gather({
    SERVER_PORT: String((taken.address() as AddressInfo).port),
    PB_GLOBAL_PORT: String(await freePortRange(1)),
    PB_BASE_PORT: '1024',
    PB_PORT_RANGE: '1',
  });
  expect(ports.map(({ state }) => state)).toEqual(['taken', 'free']);
  taken.close();
  await once(taken, 'close');
});

it('reads modes, databases and the problem of an executable', async () => {
  await createEnvFile(join(cwd, '.env'), {
    dataDir: join(cwd, 'var'),
    userDatabasesDir: join(cwd, 'var', 'user_dbs'),
  });
  chmodSync(join(cwd, '.env'), 0o640);
  mkdirSync(join(cwd, 'var/user_dbs/2024-01-15-001-johndoe'), { recursive: true });
  mkdirSync(join(cwd, 'var/user_dbs/lost+found'));
  chmodSync(join(cwd, 'var'), 0o755);
  const facts = await gather({}, async () => {
    throw new Error('wrong hash');
  });
  expect(facts).toMatchObject({
    config: { valid: true, warnings: [] },
    envFiles: [{ path: join(cwd, '.env'), mode: 0o640, exposed: true }],
    binary: { usable: false, problem: 'wrong hash' },
    dataDir: { state: 'writable', mode: 0o755 },
    databases: 1,
  });
});

it('reports a data directory that is a file', async () => {
  writeFileSync(join(cwd, 'var'), '');
  expect((await gather()).dataDir.state).toBe('not_a_directory');
});

it('reports a socket that no daemon listens on', async () => {
  mkdirSync(join(cwd, 'var/run'), { recursive: true });
  writeFileSync(join(cwd, 'var/run/fathomd.sock'), '');
  expect((await gather()).daemon.state).toBe('silent');
});
