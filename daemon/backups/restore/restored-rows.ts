import type { DatabaseSync } from 'node:sqlite';
import { parseDatabaseName, utcDay } from '../../../shared/database-name.ts';
import { inTransaction, withDatabase } from '../../pocketbase/data/sqlite.ts';
import { type ErasedDatabase, erasedId } from '../retention/erased-databases.ts';

/** More than a host creates in a day between two backups of the control plane. */
const LOST_NUMBERS = 1000;

/**
 * Brings the rows of a restored control plane up to what is known of the time after its backup.
 *
 * - Databases that were erased since are marked as being deleted. The start of the daemon removes the rows, with the accounts
 *   that were erased.
 * - Numbers of databases that exist in backups, or that may have been lost today, are not given again.
 *
 * @param file `data.db` of the control plane
 * @param known.names databases that have backups
 */
export function adjustRestoredRows(
  file: string,
  known: {
    erased: ReadonlyMap<string, ErasedDatabase | null>;
    names: Iterable<string>;
    now: Date;
  },
): void {
  withDatabase(file, { readOnly: false, isTrusted: true }, (database) =>
    inTransaction(database, () => {
      markErased(database, known.erased);
      for (const [day, number] of lastNumbers(known)) {
        const stored = database.prepare('SELECT last_number FROM database_days WHERE day = ?').get(day);
        const last = Math.max(number, Number(stored?.['last_number'] ?? 0));
        const lost = day === utcDay(known.now) ? LOST_NUMBERS : 0;
        database
          .prepare(
            'INSERT INTO database_days (day, last_number) VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET last_number = excluded.last_number',
          )
          .run(day, last + lost);
      }
    }),
  );
}

function markErased(database: DatabaseSync, erased: ReadonlyMap<string, ErasedDatabase | null>): void {
  const hasAccounts = database
    .prepare("SELECT 1 FROM pragma_table_info('user_databases') WHERE name = 'with_account'")
    .get();
  for (const row of database.prepare('SELECT id, name, user FROM user_databases').all()) {
    const id = erasedId(String(row['name']));
    if (!erased.has(id)) continue;
    const account = erased.get(id)?.account === true;
    database
      .prepare("UPDATE user_databases SET state = 'deleting', desired = 'stopped' WHERE id = ?")
      .run(String(row['id']));
    if (!account) continue;
    database.prepare('UPDATE users SET is_active = 0 WHERE id = ?').run(String(row['user']));
    // A backup of an earlier release has no such column: its accounts stay, locked.
    if (hasAccounts)
      database.prepare('UPDATE user_databases SET with_account = 1 WHERE id = ?').run(String(row['id']));
  }
}

/** The highest number of each day, and today. */
function lastNumbers({ erased, names, now }: Parameters<typeof adjustRestoredRows>[1]): Map<string, number> {
  const last = new Map([[utcDay(now), 0]]);
  const note = ({ day, number }: { day: string; number: number }) =>
    last.set(day, Math.max(number, last.get(day) ?? 0));
  for (const one of erased.values()) if (one) note(one);
  for (const name of names) {
    const parsed = parseDatabaseName(name);
    if (parsed) note(parsed);
  }
  return last;
}
