import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashFile } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { addRelease, serveMirror, UPSTREAM_VERSIONS, upstreamBuild } from '../helpers/upstream-builds.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-mirror-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

for (const version of UPSTREAM_VERSIONS) {
  const build = await upstreamBuild(version, `installation of PocketBase ${version}`);

  describe.skipIf(build === null)(`a release of PocketBase ${version} in a mirror`, () => {
    it('is installed with its checksum', async () => {
      const mirror = join(directory, 'mirror');
      const dataDir = join(directory, version);
      await addRelease(mirror, version, build ?? '');
      await using server = await serveMirror(mirror);
      const args = ['pocketbase', 'install', version, '--from', server.url, '--data-dir', dataDir, '--json'];
      const { code, out, err } = await runInProcess(args, { cwd: directory });
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const { path, sha256 } = JSON.parse(out) as { path: string; sha256: string };
      expect(sha256).toBe(await hashFile(build ?? ''));
      expect(await hashFile(path)).toBe(sha256);
    });
  });
}
