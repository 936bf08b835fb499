import { messageOf } from '../../shared/errors.ts';
import { MAX_SQL_VALUE_BYTES } from '../pocketbase/data/sql-processes.ts';
import { isUnreadable, withDatabase } from '../pocketbase/data/sqlite.ts';

/**
 * Reads a whole database, which takes long, and without an end for content that was made for it: a daemon calls it in a
 * process that it can end, see `SqlProcesses`. Rows without a limit are normal here, so the content is not checked before.
 *
 * @returns what is damaged; null if nothing is
 * @throws UnsafeDatabase for a file that is not a regular one
 */
export function findDamage(path: string): string | null {
  try {
    const options = { readOnly: true, isTrusted: true, maxValueBytes: MAX_SQL_VALUE_BYTES };
    const rows = withDatabase(path, options, (database) =>
      database.prepare('PRAGMA integrity_check(5)').all(),
    );
    const found = rows.map((row) => String(row['integrity_check'])).join('; ');
    return found === 'ok' ? null : found;
  } catch (error) {
    if (isUnreadable(error)) return messageOf(error);
    throw error;
  }
}
