import { lstatSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { BuiltInTaskContext } from './context.ts';

const FILES = ['data.db', 'auxiliary.db'];
/** How long a statement waits for writes of PocketBase, which are short. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * Checkpoints the write-ahead log and rebuilds the files of a database while PocketBase runs: its reads continue, its writes
 * wait. Returns the freed bytes.
 */
export function handle(
  _payload: unknown,
  { dataDir, progress, signal }: Pick<BuiltInTaskContext, 'dataDir' | 'progress' | 'signal'>,
): { before_bytes: number; after_bytes: number; freed_bytes: number } {
  if (dataDir === null) throw new Error('there is no database to vacuum');
  const paths = FILES.map((file) => join(dataDir, file)).filter((path) => sizeOf([path]) > 0);
  const before = sizeOf(paths);
  for (const [index, path] of paths.entries()) {
    signal.throwIfAborted();
    progress((index / paths.length) * 100, basename(path));
    vacuum(path);
  }
  const after = sizeOf(paths);
  return { before_bytes: before, after_bytes: after, freed_bytes: before - after };
}

/** @throws UnsafeDatabase for a link, a named pipe or a device in place of a file */
function vacuum(path: string): void {
  withDatabase(path, { readOnly: false, isTrusted: true, timeoutMs: BUSY_TIMEOUT_MS }, (database) => {
    database.exec('PRAGMA trusted_schema = OFF');
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.exec('VACUUM');
    // VACUUM itself writes to the log.
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  });
}

/** Returns the size of the files and their write-ahead logs. */
function sizeOf(paths: readonly string[]): number {
  return paths
    .flatMap((path) => [path, `${path}-wal`])
    .reduce((total, path) => total + (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}
