import { watch } from 'node:fs';

/** SQLite writes each transaction of `data.db` here first. */
const WRITE_AHEAD_LOG = 'data.db-wal';

/**
 * Calls `onWrite` when the database in a data directory is written. It opens no connection to the database, so it does not keep it
 * awake.
 *
 * @throws the error of the system, when the directory is missing or too many are watched
 */
export function watchWrites(dataDir: string, onWrite: () => void): Disposable {
  const watcher = watch(dataDir, { persistent: false }, (_, name) => {
    if (name === WRITE_AHEAD_LOG) onWrite();
  });
  // The directory is removed only when the process has ended, and the next one gets a new watcher.
  watcher.on('error', () => watcher.close());
  return { [Symbol.dispose]: () => watcher.close() };
}
