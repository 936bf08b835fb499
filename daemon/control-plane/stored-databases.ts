import { isDatabaseName } from '../../shared/database-name.ts';
import { withDatabase } from '../pocketbase/data/sqlite.ts';

/** A database as the files of the control plane have it. */
export interface StoredDatabase {
  name: string;
  /** Id of the owner. */
  user: string;
  state: string;
  /** Whether the daemon starts it. */
  mustRun: boolean;
  /** The version of PocketBase that it is pinned to; empty for that of the fleet. */
  version: string;
  /** See `formatChoice`. */
  applications: string;
}

/** Databases that should exist, while the global PocketBase does not run. @param file its `data.db` */
export function readStoredDatabases(file: string): StoredDatabase[] {
  return withDatabase(file, { readOnly: true, isTrusted: true }, (database) =>
    database
      // All columns: files of earlier releases do not have each of them.
      .prepare("SELECT * FROM user_databases WHERE state <> 'deleting'")
      .all()
      .map((row) => ({
        name: String(row['name']),
        user: String(row['user'] ?? ''),
        state: String(row['state']),
        mustRun: row['state'] === 'ready' && row['desired'] === 'running',
        version: String(row['pocketbase_version'] ?? ''),
        applications: String(row['applications'] ?? ''),
      }))
      // An administrator can edit the name. It must not lead out of the directory.
      .filter(({ name }) => isDatabaseName(name)),
  );
}
