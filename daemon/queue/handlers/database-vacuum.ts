import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { OwnTaskContext } from './context.ts';

const FILES = ['data.db', 'auxiliary.db'];
/** PocketBase's own writes are short; they wait for ours as long as this. */
const BUSY_TIMEOUT_MS = 10_000;

/**
 * Writes what is in the write-ahead log back and rebuilds the database's files, beside the running PocketBase: its readers
 * go on, its writers wait. Says how many bytes that freed.
 */
export function handle(
  _payload: unknown,
  { dataDir, progress, signal }: OwnTaskContext,
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
    // VACUUM itself goes through the log.
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

/** With what their logs hold. */
function sizeOf(paths: readonly string[]): number {
  return paths
    .flatMap((path) => [path, `${path}-wal`])
    .reduce((total, path) => total + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}
