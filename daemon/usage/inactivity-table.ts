import type { DatabaseSync } from 'node:sqlite';

/** What is stored of a database for DATABASE_INACTIVE_DAYS. Times are milliseconds since 1970. */
export interface Inactivity {
  /** The count begins here, unless a later use is known. */
  countedFromMs: number;
  /** When the owner got the notices, a week and a day before; null when not yet. */
  weekNoticeAtMs: number | null;
  dayNoticeAtMs: number | null;
  isArchived: boolean;
}

/** Added without another layout of the file, as the last uses. A file that starts again loses both together. */
export const INACTIVITY = `CREATE TABLE IF NOT EXISTS inactivity (
  name TEXT PRIMARY KEY, counted_from INTEGER NOT NULL, week_notice INTEGER, day_notice INTEGER, archived INTEGER NOT NULL
)`;

export function readInactivity(database: DatabaseSync): Map<string, Inactivity> {
  const rows = database.prepare('SELECT * FROM inactivity').all();
  return new Map(
    rows.map((row) => [
      String(row['name']),
      {
        countedFromMs: Number(row['counted_from']),
        weekNoticeAtMs: timeOf(row['week_notice']),
        dayNoticeAtMs: timeOf(row['day_notice']),
        isArchived: row['archived'] === 1,
      },
    ]),
  );
}

function timeOf(value: unknown): number | null {
  return value === null ? null : Number(value);
}

/** @param changes null removes a row */
export function writeInactivity(
  database: DatabaseSync,
  changes: Iterable<readonly [name: string, inactivity: Inactivity | null]>,
): void {
  const set = database.prepare('INSERT OR REPLACE INTO inactivity VALUES (?, ?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM inactivity WHERE name = ?');
  for (const [name, is] of changes) {
    if (is === null) remove.run(name);
    else set.run(name, is.countedFromMs, is.weekNoticeAtMs, is.dayNoticeAtMs, Number(is.isArchived));
  }
}
