import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { Binaries, isVerified } from './binaries.ts';
import { type Binary, EMBEDDED, hashRecordOf, verifyBinary } from './binary.ts';
import { sha256Of } from './executable-hash.ts';

let dataDir: string;
let fleet: Binary;
let binaries: Binaries;

beforeEach(async () => {
  dataDir = await scratch();
  fleet = await executable(join(dataDir, 'fleet'), '0.40.1');
  binaries = new Binaries({ fleet, dataDir });
});

/** A program that says that it is this version, with the record of its hash. */
async function executable(path: string, says: string, mark = ''): Promise<Binary> {
  const content = `#!/bin/sh\necho pocketbase version ${says}\n# ${mark}\n`;
  await rm(path, { force: true });
  await writeFile(path, content, { mode: 0o700 });
  await writeFile(hashRecordOf(path), `${sha256Of(Buffer.from(content))}  pocketbase\n`);
  return verifyBinary(path);
}

async function install(version: string, says = version, mark = ''): Promise<Binary> {
  const directory = join(dataDir, 'pocketbase', version);
  await mkdir(directory, { recursive: true });
  return executable(join(directory, 'pocketbase'), says, mark);
}

describe('the executable of a version', () => {
  it('is the installed one, also when the fleet has the same version', async () => {
    const installed = await install('0.40.1', '0.40.1', 'another build');
    expect(isVerified(binaries.of('0.40.1'))).toBe(false);
    expect(await binaries.problemOf('0.40.1')).toBeNull();
    expect(binaries.of('0.40.1')).toEqual(installed);
    expect(binaries.versionOf(installed.sha256)).toBe('0.40.1');
  });

  it('is that of the fleet or the embedded one without an installed one', async () => {
    expect(await binaries.require('')).toBe(fleet);
    expect(await binaries.require('0.40.1')).toBe(fleet);
    expect(await binaries.require(EMBEDDED.version)).toMatchObject({ sha256: EMBEDDED.sha256 });
    expect(binaries.versionOf('unknown')).toBeNull();
  });

  it('is found after its installation, and is verified again when it changes', async () => {
    expect(await binaries.problemOf('0.41.0')).toMatchObject({
      code: 'binary_missing',
      message: expect.stringContaining('fathomd pocketbase install 0.41.0'),
    });
    const { path } = await install('0.41.0');
    expect(await binaries.problemOf('0.41.0')).toBeNull();
    await writeFile(path, 'another content', { mode: 0o700 });
    expect(await binaries.problemOf('0.41.0')).toMatchObject({ code: 'binary_changed' });
    expect(isVerified(binaries.of('0.41.0'))).toBe(false);
    const again = await install('0.41.0', '0.41.0', 'repaired');
    expect(await binaries.require('0.41.0')).toEqual(again);
    await rm(path);
    expect(await binaries.problemOf('0.41.0')).toMatchObject({ code: 'binary_missing' });
  });

  it('is refused when it says that it is another version', async () => {
    await install('0.41.0', '0.40.1');
    expect(await binaries.problemOf('0.41.0')).toMatchObject({ code: 'binary_changed' });
    await expect(binaries.require('0.41.0')).rejects.toMatchObject({ code: 'binary.unusable' });
  });

  it('is refused when it prints without an end', async () => {
    const { path } = await install('0.41.0');
    await rm(hashRecordOf(path));
    await writeFile(path, '#!/bin/sh\nexec yes\n', { mode: 0o700 });
    expect(await binaries.problemOf('0.41.0')).toMatchObject({ code: 'binary_changed' });
  }, 5_000);

  it.each(['0.36.6', '../../bin', 'latest', '0.40', '0.40.1/../0.40.1'])(
    'is refused for %s, which never becomes a path',
    async (version) => {
      await expect(install('0.36.6')).rejects.toMatchObject({ code: 'binary.unusable' });
      expect(await binaries.problemOf(version)).toMatchObject({ code: 'version_refused' });
      expect(binaries.of(version).path).toMatch(/\/pocketbase\/\d+\.\d+\.\d+\/pocketbase$/);
      expect(isVerified(binaries.of(version))).toBe(false);
    },
  );
});
