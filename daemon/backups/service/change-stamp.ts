import { statSync } from 'node:fs';
import { join } from 'node:path';

/** A file that changed so shortly before may change again with the same time. */
const RECENT_MS = 100;

/**
 * A stamp that changes when a process writes to a database: two calls of stat(2), also while it sleeps. Uploaded files have a
 * row, so they change it too.
 *
 * @returns null without a database; `recent` if it was written just now, so that the stamp cannot be trusted
 */
export function changeStamp(dataDir: string, now: Date): { stamp: string; isRecent: boolean } | null {
  const database = join(dataDir, 'data.db');
  const stats = ['', '-wal'].map((suffix) => statSync(`${database}${suffix}`, { throwIfNoEntry: false }));
  if (!stats[0]) return null;
  const present = stats.flatMap((one) => (one && one.size > 0 ? [one] : []));
  return {
    // A reader creates an empty WAL, which changes nothing.
    stamp: present.map(({ dev, ino, size, mtimeMs }) => [dev, ino, size, mtimeMs].join(':')).join(' '),
    isRecent: present.some(({ mtimeMs }) => mtimeMs > now.getTime() - RECENT_MS),
  };
}
