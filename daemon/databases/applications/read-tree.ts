import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { SetProblem } from './set-problem.ts';

/** A file below a directory of an application. */
export interface TreeFile {
  /** Relative to the directory. */
  path: string;
  /** Absolute path. */
  origin: string;
}

/**
 * Lists all files below a directory, without hidden ones.
 *
 * @param shown a hidden directory that is listed
 * @throws SetProblem
 */
export async function listTree(directory: string, shown?: string): Promise<TreeFile[]> {
  const files: TreeFile[] = [];
  const visit = async (below: string): Promise<void> => {
    for (const entry of await listDirectory(join(directory, below), below === '' ? shown : undefined)) {
      if (entry.name.includes('\u{FFFD}'))
        throw new SetProblem(
          'not_utf8',
          join(below, entry.name),
          `${join(directory, below)}: the name '${entry.name}' is not UTF-8 text; rename the file`,
        );
      const path = join(below, entry.name);
      if (entry.isDirectory()) await visit(path);
      else files.push({ path, origin: join(directory, path) });
    }
  };
  await visit('');
  return files;
}

/** Lists a directory without hidden files, which editors create. A missing directory is empty. @throws SetProblem */
export async function listDirectory(directory: string, shown?: string) {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith('.') || name === shown);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(directory, error, directory);
  }
}

/** @param file how the problem names the file */
export function unreadable(origin: string, error: unknown, file: string): SetProblem {
  return new SetProblem(
    'unreadable',
    file,
    `${origin} cannot be read: ${messageOf(error)}; give it to the user that runs fathomd`,
  );
}
