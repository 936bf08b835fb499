import { FathomError } from '../../shared/errors.ts';
import { withDatabase } from '../pocketbase/data/sqlite.ts';

/** Locks are short. */
const TIMEOUT_MS = 1_000;

/**
 * Refuses a fixed port that belongs to a database, also to a stopped one: its clients would send their requests and tokens
 * to another service.
 *
 * @param file `data.db` of the control plane
 * @param fixed ports by the name of their setting
 * @throws FathomError `config.invalid`
 */
export function requireUnnamedPorts(file: string, fixed: Readonly<Record<string, number>>): void {
  const fields = Object.entries(fixed).flatMap(([path, port]) => {
    const name = databaseOnPort(file, port);
    if (name === null) return [];
    return [{ path, message: `${port} is the port of the database ${name}; use another port` }];
  });
  if (fields.length === 0) return;
  throw new FathomError('config.invalid', 'the configuration does not fit to the databases:', { fields });
}

function databaseOnPort(file: string, port: number): string | null {
  try {
    return withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: TIMEOUT_MS }, (database) => {
      const row = database.prepare('SELECT name FROM user_databases WHERE port = ?').get(port);
      return row === undefined ? null : String(row['name']);
    });
  } catch {
    // There is no file before the first start. The start of the global PocketBase reports one that cannot be read.
    return null;
  }
}
