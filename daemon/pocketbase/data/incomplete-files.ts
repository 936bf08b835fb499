import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { headOf } from './data-state.ts';

/** Files that have not changed for this time count as complete. */
const QUIET_MS = 10_000;
/** Source: https://www.sqlite.org/fileformat2.html */
const HEADER = { bytes: 100, pageSize: 16, changes: 24, pages: 28, pagesValidFor: 92 } as const;
const WAL_HEADER_BYTES = 32;

/**
 * Why the files of a database that were missing may still be on their way, for example while `cp` writes them. A process
 * that opens them too early would corrupt them. Null when they are complete.
 */
export function incompleteReason(dataDir: string, now: Date): PhaseReason | null {
  const [database, wal] = ['data.db', 'data.db-wal'].map((name) => join(dataDir, name)) as [string, string];
  for (const path of [database, wal]) {
    const ageMs = now.getTime() - (changedAt(path) ?? 0);
    if (ageMs >= 0 && ageMs < QUIET_MS)
      return waiting(
        `${path} was written just now; the instance starts when it has not changed for ten seconds`,
      );
  }
  const missing = missingBytes(database);
  const hasWal = (sizeOf(wal) ?? 0) > WAL_HEADER_BYTES;
  // A process that is killed while it writes its WAL into the database leaves a file that the WAL completes.
  if (missing === 0 || hasWal) return null;
  return waiting(`${database} lacks its last ${missing} bytes; copy the complete file`);
}

function waiting(message: string): PhaseReason {
  return { code: 'data_dir_missing', message };
}

/** The time of the last change of the content or the metadata; null for a missing file. */
function changedAt(path: string): number | null {
  const file = statSync(path, { throwIfNoEntry: false });
  return file === undefined ? null : Math.max(file.ctimeMs, file.mtimeMs);
}

function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null;
}

/** How many bytes a database has less than its header says. */
function missingBytes(path: string): number {
  const head = headOf(path, HEADER.bytes);
  const size = sizeOf(path);
  if (head?.length !== HEADER.bytes || size === null) return 0;
  // Otherwise an old version of SQLite wrote the number of pages.
  if (head.readUInt32BE(HEADER.changes) !== head.readUInt32BE(HEADER.pagesValidFor)) return 0;
  const stored = head.readUInt16BE(HEADER.pageSize);
  const pageSize = stored === 1 ? 65_536 : stored;
  return Math.max(0, head.readUInt32BE(HEADER.pages) * pageSize - size);
}
