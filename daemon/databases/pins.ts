import { withDatabase } from '../pocketbase/data/sqlite.ts';

const TIMEOUT_MS = 2_000;

/** A database that is pinned to a version of PocketBase. */
export interface Pin {
  name: string;
  version: string;
}

/**
 * Reads the pinned databases without a daemon.
 *
 * @param file `data.db` of the control plane; without it there are none
 */
export function readPins(file: string): Pin[] {
  try {
    return withDatabase(file, { readOnly: true, isTrusted: true, timeoutMs: TIMEOUT_MS }, (database) =>
      database
        .prepare(
          "SELECT name, pocketbase_version AS version FROM user_databases WHERE pocketbase_version <> '' ORDER BY name",
        )
        .all()
        .map(({ name, version }) => ({ name: String(name), version: String(version) })),
    );
  } catch {
    // There is no file before the first start, and no column before the first start of this release. Other checks report a
    // file that cannot be read.
    return [];
  }
}
