import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { KeyUse } from '../../keys/master-keys.ts';
import { withDatabase } from './sqlite.ts';

/** Every envelope of the control plane. `pb_hooks/global/lib/secrets.js` has the same list, which a test compares. */
const ENVELOPES = [
  ['sealed_secrets', 'envelope'],
  ['user_databases', 'superuser_secret'],
  ['global_queue', 'secrets'],
] as const;

/** A lock is held for moments only. */
const TIMEOUT_MS = 1_000;

/**
 * Which master keys the secrets in the control plane's `data.db` need.
 *
 * @throws the error of SQLite
 */
export function readKeyUse(file: string): KeyUse {
  return withDatabase(file, { readOnly: true, timeoutMs: TIMEOUT_MS }, (database) => {
    const use = new Map<string, number>();
    for (const [table, field] of ENVELOPES) {
      if (!hasTable(database, table)) continue;
      for (const { id, count } of keysIn(database, table, field)) use.set(id, (use.get(id) ?? 0) + count);
    }
    return use;
  });
}

function keysIn(database: DatabaseSync, table: string, field: string): { id: string; count: number }[] {
  // An envelope begins `v1.<key id>.`.
  return database
    .prepare(
      `SELECT substr(${field}, 4, instr(substr(${field}, 4), '.') - 1) AS id, COUNT(*) AS count
       FROM ${table} WHERE ${field} LIKE 'v1.%' GROUP BY 1`,
    )
    .all()
    .map((row) => ({ id: String(row['id']), count: Number(row['count']) }));
}

/** A database of an earlier release may not have it yet. */
function hasTable(database: DatabaseSync, name: string): boolean {
  return (
    database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
  );
}

/**
 * Remembers what `readKeyUse` found as long as the file is the same one: a restore puts another file in its place, also under
 * a running PocketBase.
 *
 * @returns null while there is no file
 * @throws FathomError `control_plane.unavailable`
 */
export function keyUseOf(file: string): () => KeyUse | null {
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
      `cannot read which master key the secrets in ${file} need: ${messageOf(error)}; 'fathomd doctor' says more`,
      { cause: error },
    );
  }
}
