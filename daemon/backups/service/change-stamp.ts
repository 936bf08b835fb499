import { type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';

/** A file that changed so shortly before may change again with the same time. */
const RECENT_MS = 100;

/**
 * A stamp that changes when a process writes to a database: two calls of stat(2), also while it sleeps. Uploaded files have a
 * row, so they change it too.
 *
 * @returns null without a database that can be read; `recent` if it was written just now, so that the stamp cannot be trusted
 */
export function changeStamp(dataDir: string, now: Date): { stamp: string; isRecent: boolean } | null {
  const database = join(dataDir, 'data.db');
  const found = ['', '-wal'].map((suffix) => statFile(`${database}${suffix}`));
  if (found[0] === null || found.some((one) => one instanceof Error)) return null;
  const present = found.flatMap((one) => (one && !(one instanceof Error) && one.size > 0 ? [one] : []));
  return {
    // A reader creates an empty WAL, which changes nothing.
    stamp: present.map(({ dev, ino, size, mtimeMs }) => [dev, ino, size, mtimeMs].join(':')).join(' '),
    isRecent: present.some(({ mtimeMs }) => mtimeMs > now.getTime() - RECENT_MS),
  };
}

/** When a database was created; null without one that can be read. */
export function createdAt(dataDir: string): Date | null {
  const stats = statFile(join(dataDir, 'data.db'));
  if (stats === null || stats instanceof Error) return null;
  // Some file systems do not know when a file was created.
  return new Date(stats.birthtimeMs || stats.ctimeMs);
}

/** Why the files of a database cannot be read: permissions, or the disk. Null when they can, and when they are missing. */
export function findUnreadable(dataDir: string): string | null {
  const database = join(dataDir, 'data.db');
  for (const file of [database, `${database}-wal`]) {
    const stats = statFile(file);
    if (stats instanceof Error) return `${file} cannot be read: ${messageOf(stats)}`;
  }
  return null;
}

/** Null when it is missing. Any other error is returned, so that one database does not end the work on all. */
function statFile(path: string): Stats | Error | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}
