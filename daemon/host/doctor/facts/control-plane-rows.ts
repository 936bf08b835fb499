import type { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../../shared/errors.ts';
import { readOwnLimits } from '../../../../shared/limits.ts';
import { hasTable, withDatabase } from '../../../pocketbase/data/sqlite.ts';

const READ_TIMEOUT_MS = 2_000;

/** What the doctor reads from the global database. */
export interface ControlPlaneRows {
  /** Names of the databases. */
  names: string[];
  /** Ports of the databases, also of stopped ones. */
  ports: number[];
  /** Users who have no database and will get one. */
  withoutDatabase: number;
  /** Pairs of accounts with the same e-mail address, the older one first. */
  sameAddress: [string, string][];
  /** Plans with limits that are ignored. */
  invalidPlans: { name: string; limits: string[] }[];
}

/**
 * Reads the rows from `data.db`; `problem` says why that is not possible.
 *
 * @param onlyVerified accounts get a database only after their address is verified
 */
export function readRows(
  file: string,
  { onlyVerified }: { onlyVerified: boolean },
): ControlPlaneRows | { problem: string } {
  try {
    // Read-only, because PocketBase may write at the same time.
    return withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: READ_TIMEOUT_MS }, (database) => {
      const databases = database.prepare('SELECT name, port FROM user_databases').all();
      return {
        names: databases.map(({ name }) => String(name)),
        ports: databases.map(({ port }) => Number(port)).filter((port) => port > 0),
        withoutDatabase: countWithoutDatabase(database, { onlyVerified }),
        sameAddress: findSameAddress(database),
        invalidPlans: findInvalidPlans(database),
      };
    });
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

function countWithoutDatabase(database: DatabaseSync, { onlyVerified }: { onlyVerified: boolean }): number {
  const row = database
    .prepare(
      `SELECT count(*) AS n FROM users WHERE role = 'user' AND is_active AND (verified OR NOT :only_verified)
       AND NOT EXISTS (SELECT 1 FROM user_databases WHERE user = users.id)`,
    )
    .get({ only_verified: onlyVerified ? 1 : 0 });
  return Number(row?.['n']);
}

/** Empty before the migration that adds `email_key`. */
function findSameAddress(database: DatabaseSync): [string, string][] {
  const hasKeys = database.prepare("SELECT 1 FROM pragma_table_info('users') WHERE name = 'email_key'").get();
  if (!hasKeys) return [];
  return database
    .prepare(
      `SELECT a.email || ' (' || a.id || ')' AS first, b.email || ' (' || b.id || ')' AS second
       FROM users b JOIN users a ON b.email_key = a.email_key || '/' || b.id ORDER BY b.created`,
    )
    .all()
    .map((row) => [String(row['first']), String(row['second'])]);
}

/** Empty before the migration that adds plans. */
function findInvalidPlans(database: DatabaseSync): ControlPlaneRows['invalidPlans'] {
  if (!hasTable(database, 'plans')) return [];
  return database
    .prepare('SELECT name, limits FROM plans ORDER BY name')
    .all()
    .map(({ name, limits }) => ({ name: String(name), limits: invalidLimits(limits) }))
    .filter(({ limits }) => limits.length > 0);
}

/** The names of the invalid limits; `limits` when the value is no object. */
function invalidLimits(stored: unknown): string[] {
  let value: unknown = null;
  try {
    if (typeof stored === 'string' && stored !== '') value = JSON.parse(stored);
  } catch {
    return ['limits'];
  }
  if (typeof value !== 'object' || Array.isArray(value)) return ['limits'];
  return readOwnLimits(value).invalid;
}
