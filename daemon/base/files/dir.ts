import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';

/**
 * Makes a directory that only its owner can enter, with its parents; one that is there stays as it is. Node's own `recursive`
 * tries for ever where a parent that is there answers ENOENT, as /proc does, and says ENOENT of a file system that is read-only.
 */
export async function makeDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let one = resolve(path); !(await isDirectory(one)); one = dirname(one)) missing.push(one);
  for (const one of missing.toReversed()) {
    try {
      await mkdir(one, { mode: 0o700 });
    } catch (error) {
      // Somebody else made it meanwhile.
      if (errorCode(error) !== 'EEXIST' || !(await isDirectory(one))) throw error;
    }
  }
}

/** As `makeDirectory`, in place. */
export function makeDirectorySync(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  makeDirectorySync(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** As `makeDirectory`, with what to do when it cannot be made. */
export async function makePrivateDir(path: string): Promise<void> {
  try {
    await makeDirectory(path);
  } catch (error) {
    throw new FathomError(
      'data_dir.unusable',
      `cannot make the directory ${path}: ${messageOf(error)}; give it to the user that runs fathomd, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
}

/** False for what is not there, and for a file, which is then in the way of whoever makes it. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
