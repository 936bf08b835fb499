import type { DatabaseSync } from 'node:sqlite';
import type { MigrationDrift } from '../../../shared/api/migrations.ts';
import { hasTable } from '../../pocketbase/data/sqlite.ts';
import { isMigration, type MigrationFile } from './migration-files.ts';

type Hashed = Pick<MigrationFile, 'path' | 'sha256'>;

const TABLE = '_fathom_migrations';

/** Lists the migrations of a set that a database has not applied, in order. */
export function pendingMigrations(database: DatabaseSync, files: readonly Hashed[]): string[] {
  const applied = appliedNames(database);
  return files.map(({ path }) => path).filter((path) => isMigration(path) && !applied.has(path));
}

/** Whether the hash of an applied migration is not recorded, as in databases of earlier releases. */
export function hasUnrecorded(database: DatabaseSync, files: readonly Hashed[]): boolean {
  const applied = appliedNames(database);
  const recorded = recordedHashes(database);
  return files.some(({ path }) => applied.has(path) && !recorded.has(path));
}

/** Records the hashes of applied migrations; existing records stay. */
export function recordApplied(database: DatabaseSync, files: readonly Hashed[]): void {
  database.exec(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID`,
  );
  const applied = appliedNames(database);
  const insert = database.prepare(`INSERT OR IGNORE INTO ${TABLE} VALUES (?, ?)`);
  for (const { path, sha256 } of files) if (applied.has(path)) insert.run(path, sha256);
}

/** Lists applied migrations whose files were changed or removed. */
export function findDrift(
  database: DatabaseSync,
  files: readonly Hashed[],
): Omit<MigrationDrift, 'databases'>[] {
  const now = new Map(files.map(({ path, sha256 }) => [path, sha256]));
  return [...recordedHashes(database)].flatMap(([file, sha256]) => {
    const current = now.get(file);
    if (current === sha256) return [];
    return [{ file, change: current === undefined ? ('missing' as const) : ('changed' as const) }];
  });
}

/** Groups databases by file and kind of change. */
export function groupDrift(
  all: readonly { name: string; drift: readonly Omit<MigrationDrift, 'databases'>[] }[],
): MigrationDrift[] {
  const groups = new Map<string, MigrationDrift>();
  for (const { name, drift } of all) {
    for (const { file, change } of drift) {
      const key = `${change}/${file}`;
      const group = groups.get(key) ?? { file, change, databases: [] };
      group.databases.push(name);
      groups.set(key, group);
    }
  }
  return [...groups.values()].toSorted((a, b) => a.file.localeCompare(b.file));
}

function appliedNames(database: DatabaseSync): Set<string> {
  return new Set(
    database
      .prepare('SELECT file FROM _migrations')
      .all()
      .map((row) => String(row['file'])),
  );
}

function recordedHashes(database: DatabaseSync): Map<string, string> {
  if (!hasTable(database, TABLE)) return new Map();
  return new Map(
    database
      .prepare(`SELECT file, sha256 FROM ${TABLE}`)
      .all()
      .map((row) => [String(row['file']), String(row['sha256'])]),
  );
}
