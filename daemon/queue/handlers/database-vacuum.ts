import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
  { dataDir, progress, signal }: BuiltInTaskContext,
): { before_bytes: number; after_bytes: number; freed_bytes: number } {
  if (dataDir === null) throw new Error('there is no database to vacuum');
  const paths = FILES.map((file) => join(dataDir, file));
  const before = sizeOf(paths);
  for (const [index, path] of paths.entries()) {
    signal.throwIfAborted();
    progress((index / paths.length) * 100, FILES[index]);
    vacuum(path);
  }
  const after = sizeOf(paths);
  return { before_bytes: before, after_bytes: after, freed_bytes: before - after };
}

function vacuum(path: string): void {
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.exec('VACUUM');
    // VACUUM itself writes to the log.
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

/** Returns the size of the files and their write-ahead logs. */
function sizeOf(paths: readonly string[]): number {
  return paths
    .flatMap((path) => [path, `${path}-wal`])
    .reduce((total, path) => total + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}
