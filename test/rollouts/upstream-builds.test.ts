import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import type { Finding } from '../../daemon/host/doctor/finding.ts';
import { EMBEDDED } from '../../daemon/pocketbase/binary/binary.ts';
import type { DaemonStatus } from '../../shared/api/daemon.ts';
import type { AdvisoryReport } from '../../shared/api/pocketbase.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { deployment } from '../helpers/harness.ts';
import { readMetric } from '../helpers/metrics.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { TESTED_VARIABLE } from '../helpers/tested-pocketbase.ts';
import { textWith } from '../helpers/text-with.ts';
import {
  addRelease,
  archiveName,
  serveMirror,
  UPSTREAM_VERSIONS,
  upstreamBuild,
} from '../helpers/upstream-builds.ts';

const PANIC = 'CVE-2026-82410';
const RECOMMENDED = '0.40.6';

let directory: string;
let mirror: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-mirror-'));
  mirror = join(directory, 'mirror');
});

afterAll(() => rm(directory, { recursive: true, force: true }));

for (const version of UPSTREAM_VERSIONS) {
  const build = await upstreamBuild(version, `installation of PocketBase ${version}`);

  describe.skipIf(build === null)(`a release of PocketBase ${version} in a mirror`, () => {
    it('is installed with its checksum', async () => {
      const dataDir = join(directory, version);
      await addRelease(mirror, version, build ?? '');
      await using server = await serveMirror(mirror);
      const args = ['pocketbase', 'install', version, '--from', server.url, '--data-dir', dataDir, '--json'];
      const { code, out, err } = await runInProcess(args, { cwd: directory });
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const { path, sha256, advisories } = JSON.parse(out) as Record<string, string>;
      expect(sha256).toBe(await hashFile(build ?? ''));
      expect(await hashFile(path ?? '')).toBe(sha256);
      expect(advisories).toEqual([]);
    });
  });
}

const patched = await upstreamBuild(RECOMMENDED, 'leaving a vulnerable PocketBase');

async function run(fathom: Deployment, ...args: string[]) {
  const { stdout, stderr, exitCode } = await fathomd(args, { cwd: fathom.dataDir, env: fathom.env });
  return { stdout, stderr, exitCode };
}

async function vulnerableInstances(fathom: Deployment): Promise<number> {
  return Number(await readMetric(fathom, 'fathom_pocketbase_vulnerable_instances'));
}

async function advisoryFindings(fathom: Deployment, ...options: string[]): Promise<Finding[]> {
  const { stdout } = await run(fathom, 'doctor', '--json', ...options);
  return (JSON.parse(stdout) as Finding[]).filter(({ id }) => id === 'advisories');
}

// The embedded one takes part, so this is not for a run with another one.
describe.skipIf(patched === null || process.env[TESTED_VARIABLE] !== undefined)('a vulnerable fleet', () => {
  it('is shown everywhere, gets the recommended release without its version, and can go back', async () => {
    const release = await addRelease(mirror, RECOMMENDED, patched ?? '');
    const fathom = await deployment();
    const daemon = await fathom.start();
    const ann = await signUp(fathom, 'ann');
    expect(daemon.output()).toEqual(textWith(PANIC, 'fathomd pocketbase install'));

    const exposure: DaemonStatus['exposure'] = {
      vulnerable_instances: 2,
      versions: [{ version: EMBEDDED.version, instances: 2, severity: 'high', advisories: [PANIC] }],
      remedy: textWith('fathomd pocketbase install', RECOMMENDED),
    };
    expect((await fathom.client.daemon.status()).exposure).toEqual(exposure);
    expect(await fathom.client.pocketbase.advisories()).toMatchObject({
      exposure,
      instances: [{ name: 'global' }, { name: ann.name, version: EMBEDDED.version, advisories: [PANIC] }],
    } satisfies Partial<Record<keyof AdvisoryReport, unknown>>);
    expect(await vulnerableInstances(fathom)).toBe(2);
    expect((await run(fathom, 'status')).stdout).toEqual(textWith('2 instances', PANIC, 'high'));
    const advisories = await run(fathom, 'pocketbase', 'advisories', '--check');
    expect(advisories.exitCode).toBe(1);
    expect(advisories.stdout).toEqual(
      textWith(PANIC, ann.name, 'global', `Recommended: PocketBase ${RECOMMENDED}`),
    );
    expect((await run(fathom, 'pocketbase', 'list')).stdout).toContain(PANIC);
    expect(await advisoryFindings(fathom)).toMatchObject([
      { level: 'warning', summary: textWith('2 instances', EMBEDDED.version, PANIC) },
    ]);
    // The output of the command is a list that the doctor reads.
    const list = JSON.parse(
      (await run(fathom, 'pocketbase', 'advisories', '--json')).stdout,
    ) as AdvisoryReport;
    const newer = join(fathom.dataDir, 'list.json');
    await writeFile(newer, JSON.stringify({ ...list, updated: '2099-01-01', advisories: [] }));
    expect(await advisoryFindings(fathom, '--advisories', newer)).toMatchObject([{ level: 'ok' }]);

    // The first source is not there.
    const unused = `http://127.0.0.1:${await freePortRange(1)}`;
    fathom.env['PB_RELEASES_URL'] = `${unused},${release}`;
    const installed = await run(fathom, 'pocketbase', 'install', '--json');
    expect(installed.exitCode).toBe(0);
    const { version, path } = JSON.parse(installed.stdout) as { version: string; path: string };
    expect(version).toBe(RECOMMENDED);
    expect((await fathom.client.daemon.status()).exposure).toEqual(exposure);

    const { port } = await fathom.client.databases.get(ann.name);
    const url = `http://127.0.0.1:${port}`;
    const record = async (change: Partial<{ id: string; title: string }>, method: string, id = '') => {
      const response = await fetch(`${url}/api/collections/documents/records${id}`, {
        method,
        headers: { authorization: ann.ownerToken, 'content-type': 'application/json' },
        ...(method === 'GET' ? {} : { body: JSON.stringify(change) }),
      });
      return (await response.json()) as { id: string; title: string };
    };
    const written = await record({ title: 'before' }, 'POST');
    await daemon.stop();
    const next = await fathom.start({ PB_BINARY_PATH: path });
    expect(next.output()).not.toContain(PANIC);
    expect((await fathom.client.daemon.status()).exposure).toEqual({
      vulnerable_instances: 0,
      versions: [],
      remedy: null,
    });
    expect(await vulnerableInstances(fathom)).toBe(0);
    expect((await run(fathom, 'pocketbase', 'advisories', '--check')).exitCode).toBe(0);
    expect((await fathom.client.databases.get(ann.name)).pocketbase_version).toBe(RECOMMENDED);
    expect(await record({ title: 'with the new one' }, 'PATCH', `/${written.id}`)).toMatchObject({
      title: 'with the new one',
    });

    // And back: the newer one has changed no database.
    await next.stop();
    await fathom.start();
    expect(await record({}, 'GET', `/${written.id}`)).toMatchObject({ title: 'with the new one' });
    expect(await vulnerableInstances(fathom)).toBe(2);
  });

  it('stays as it is when no source has the whole release', async () => {
    const broken = join(directory, 'broken');
    const archive = await addRelease(broken, RECOMMENDED, patched ?? '');
    const whole = await readFile(archive);
    await writeFile(archive, whole.subarray(0, whole.length / 2));
    const wrong = join(directory, 'wrong');
    await addRelease(wrong, RECOMMENDED, patched ?? '');
    await writeFile(
      join(wrong, `v${RECOMMENDED}`, 'checksums.txt'),
      `${'0'.repeat(64)}  ${archiveName(RECOMMENDED)}\n`,
    );
    const unreadable = join(directory, 'unused');
    await using server = await serveMirror(broken);
    const dataDir = join(directory, 'stays');
    const from = [server.url, wrong, unreadable].join(',');
    const args = ['pocketbase', 'install', '--from', from, '--data-dir', dataDir];
    const { code, err } = await runInProcess(args, { cwd: directory });
    expect(code).toBe(78);
    expect(err).toEqual(
      textWith(`${server.url}: `, `${wrong}: `, `${unreadable}: `, '0'.repeat(64), 'ENOENT'),
    );
    expect(server.requested).toEqual([
      `/v${RECOMMENDED}/checksums.txt`,
      `/v${RECOMMENDED}/${archiveName(RECOMMENDED)}`,
    ]);
  });
});
