import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, openDatabase } from './sqlite.ts';

/** One thing that has to be true of a database file before a start. */
export interface Adjustment {
  /** Whether the file has to be changed; reads only. */
  isNeeded: (database: DatabaseSync) => boolean;
  /** Changes the file, within a write transaction. */
  apply: (database: DatabaseSync) => void;
  /** Called when the file cannot be opened, read or written. What it throws keeps the instance from its start. */
  onFailure: (error: unknown) => void;
}

/** Makes the adjustments that are needed: over one connection to look, and one to write if there is something to write. */
export function adjustDatabase(file: string, adjustments: readonly Adjustment[]): void {
  if (!existsSync(file)) return;
  let needed: readonly Adjustment[] = [];
  overEach(file, { readOnly: true }, adjustments, (database) => {
    needed = neededAdjustments(database, adjustments);
  });
  applyAdjustments(file, needed);
}

export function neededAdjustments(
  database: DatabaseSync,
  adjustments: readonly Adjustment[],
): readonly Adjustment[] {
  return adjustments.filter((adjustment) => {
    try {
      return adjustment.isNeeded(database);
    } catch (error) {
      adjustment.onFailure(error);
      return false;
    }
  });
}

export function applyAdjustments(file: string, needed: readonly Adjustment[]): void {
  if (needed.length === 0) return;
  overEach(file, { readOnly: false }, needed, (database) => {
    for (const adjustment of needed) {
      try {
        inTransaction(database, () => adjustment.apply(database));
      } catch (error) {
        adjustment.onFailure(error);
      }
    }
  });
}

function overEach(
  file: string,
  options: { readOnly: boolean },
  adjustments: readonly Adjustment[],
  work: (database: DatabaseSync) => void,
): void {
  let database: DatabaseSync;
  try {
    database = openDatabase(file, options);
  } catch (error) {
    for (const { onFailure } of adjustments) onFailure(error);
    return;
  }
  try {
    work(database);
  } finally {
    database.close();
  }
}
