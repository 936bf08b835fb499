import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { KeyUse } from '../../keys/master-keys.ts';
import { withDatabase } from './sqlite.ts';

/** All envelopes of the control plane. A test compares the list with the one in `pb_hooks/global/lib/secrets.js`. */
const ENVELOPES = [
  ['sealed_secrets', 'envelope'],
  ['user_databases', 'superuser_secret'],
  ['global_queue', 'secrets'],
] as const;

/** Locks are short. */
const TIMEOUT_MS = 1_000;

/**
 * Which master keys the secrets in the control plane's `data.db` need.
 *
 * @throws the error of SQLite
 */
export function readKeyUse(file: string): KeyUse {
  return withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: TIMEOUT_MS }, (database) => {
    const use = new Map<string, number>();
    for (const [table, field] of ENVELOPES) {
      if (!hasTable(database, table)) continue;
      for (const { id, count } of keysIn(database, table, field)) use.set(id, (use.get(id) ?? 0) + count);
    }
    return use;
  });
}

function keysIn(database: DatabaseSync, table: string, field: string): { id: string; count: number }[] {
  // An envelope starts with `v1.<key id>.`.
  return database
    .prepare(
      `SELECT substr(${field}, 4, instr(substr(${field}, 4), '.') - 1) AS id, COUNT(*) AS count
       FROM ${table} WHERE ${field} LIKE 'v1.%' GROUP BY 1`,
    )
    .all()
    .map((row) => ({ id: String(row['id']), count: Number(row['count']) }));
}

/** The database of an earlier release may not have the table. */
function hasTable(database: DatabaseSync, name: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
  );
}

/**
 * Caches the result of `readKeyUse` until the file is replaced: a restore replaces it, also while PocketBase runs.
 *
 * @returns null while there is no file
 * @throws FathomError `control_plane.unavailable`
 */
export function cachedKeyUse(file: string): () => KeyUse | null {
  let known: { dev: number; ino: number; use: KeyUse } | null = null;
  return () => {
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined) return null;
    const { dev, ino } = stats;
    if (known?.dev !== dev || known.ino !== ino) known = { dev, ino, use: readNow(file) };
    return known.use;
  };
}

function readNow(file: string): KeyUse {
  try {
    return readKeyUse(file);
  } catch (error) {
    throw new FathomError(
      'control_plane.unavailable',
      `cannot read which master key the secrets in ${file} need: ${messageOf(error)}; run 'fathomd doctor'`,
      { cause: error },
    );
  }
}
