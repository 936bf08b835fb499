import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, type OpenOptions, openDatabase } from './sqlite.ts';

/** A change that a database file needs before its instance starts. */
export interface Adjustment {
  /** Resolves when `isNeeded` can tell. Absent when it can at once. */
  ready?: () => Promise<void>;
  /** Whether the change is still missing. Only reads. */
  isNeeded: (database: DatabaseSync) => boolean;
  /** Makes the change within a write transaction. */
  apply: (database: DatabaseSync) => void;
  /** Whether `apply` removes triggers before it writes. Such an adjustment comes first. */
  removesTriggers?: boolean;
  /** Called when the file cannot be opened, read or written. An error that it throws blocks the start. */
  onFailure: (error: unknown) => void;
}

/** Applies the adjustments that are needed, over one connection that reads and, if needed, one that writes. */
export function adjustDatabase(
  file: string,
  adjustments: readonly Adjustment[],
  { isTrusted = false }: Pick<OpenOptions, 'isTrusted'> = {},
): void {
  if (!existsSync(file)) return;
  let needed: readonly Adjustment[] = [];
  openForAdjustments(file, { readOnly: true, isTrusted }, adjustments, (database) => {
    needed = neededAdjustments(database, adjustments);
  });
  applyAdjustments(file, needed, { isTrusted });
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

export function applyAdjustments(
  file: string,
  needed: readonly Adjustment[],
  { isTrusted = false }: Pick<OpenOptions, 'isTrusted'> = {},
): void {
  if (needed.length === 0) return;
  openForAdjustments(file, { readOnly: false, isTrusted }, needed, (database) => {
    for (const adjustment of needed) {
      try {
        inTransaction(database, () => adjustment.apply(database), {
          allowTriggers: adjustment.removesTriggers ?? false,
        });
      } catch (error) {
        adjustment.onFailure(error);
      }
    }
  });
}

/** Opens the file and runs `work`. A file that cannot be opened is a failure of each adjustment. */
function openForAdjustments(
  file: string,
  options: OpenOptions,
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
