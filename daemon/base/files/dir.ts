import { mkdirSync, statSync } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';

/** Whether this user can reach something at a path. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Creates a directory and its missing parents, mode 0700. Directories that exist keep their mode. Node's own `recursive`
 * never returns where a parent answers ENOENT although it exists, as in /proc, and reports a read-only file system as
 * ENOENT.
 */
export async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let next = resolve(path); !(await isDirectory(next)); next = dirname(next)) missing.push(next);
  for (const directory of missing.toReversed()) {
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      // Another caller has created it in the meantime.
      if (systemErrorCode(error) !== 'EEXIST' || !(await isDirectory(directory))) throw error;
    }
  }
}

/** The synchronous `makeDirectory`. */
export function makeDirectorySync(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  makeDirectorySync(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** `makeDirectory` with a remedy in its error. @throws FathomError `data_dir.unusable` */
export async function makePrivateDir(path: string): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    throw new FathomError(
      'data_dir.unusable',
      `cannot create the directory ${path}: ${messageOf(error)}; make the user that runs fathomd the owner of its parent, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
}

/** False for a missing path and for a file. A caller that creates a directory there then gets EEXIST. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}

/** errno(3): no space, and no space left for this user. */
const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

/** Whether a system call failed because the disk has no space. */
export function isDiskFull(error: unknown): boolean {
  return FULL.has(systemErrorCode(error));
}

/** The code of a system error, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** For a `catch` on a path that may be missing. @throws every other error */
export function unlessMissing(error: unknown): null {
  if (systemErrorCode(error) === 'ENOENT') return null;
  throw error;
}
