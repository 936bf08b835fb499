import { messageOf } from '../../shared/errors.ts';
import { isUnreadable, withDatabase } from '../pocketbase/data/sqlite.ts';

/** Reads a whole database, which takes long. @returns what is damaged; null if nothing is. @throws UnsafeDatabase */
export function findDamage(path: string): string | null {
  try {
    const rows = withDatabase(path, { readOnly: true }, (database) =>
      database.prepare('PRAGMA integrity_check(5)').all(),
    );
    const found = rows.map((row) => String(row['integrity_check'])).join('; ');
    return found === 'ok' ? null : found;
  } catch (error) {
    if (isUnreadable(error)) return messageOf(error);
    throw error;
  }
}
