import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { FathomError } from '../../../shared/errors.ts';
import { compareVersions, isVersion } from '../../../shared/version.ts';
import type { Adjustment } from './adjustment.ts';
import { hasTable, type OpenOptions, throwUnlessUnreadable, withDatabase } from './sqlite.ts';

/**
 * The version of PocketBase that ran last on a database, in a table of the database itself: a copy of the file keeps the
 * version that wrote it.
 */
const TABLE = '_fathom_pocketbase';

/** Releases that leave the same tables and settings in a database: each opens the data of the others (docs/decisions/0040). */
const SAME_DATA = { from: '0.39.1', to: '0.40.6' };

/** Null when it is not known, as in databases of earlier releases. */
export function readLastVersion(database: DatabaseSync): string | null {
  if (!hasTable(database, TABLE)) return null;
  const version = database.prepare(`SELECT version FROM ${TABLE}`).get()?.['version'];
  // PocketBase can write any value.
  return typeof version === 'string' && isVersion(version) ? version : null;
}

/** Call it in a write transaction, before the version runs. Builds without a number are not recorded. */
export function writeLastVersion(database: DatabaseSync, version: string): void {
  if (!isVersion(version)) return;
  database.exec(`CREATE TABLE IF NOT EXISTS ${TABLE} (version TEXT NOT NULL); DELETE FROM ${TABLE}`);
  database.prepare(`INSERT INTO ${TABLE} VALUES (?)`).run(version);
}

export function recordLastVersion(version: string): Adjustment {
  return {
    isNeeded: (database) => isVersion(version) && readLastVersion(database) !== version,
    apply: (database) => writeLastVersion(database, version),
    onFailure: throwUnlessUnreadable,
  };
}

/** The version that ran last on the database of a directory; null when it is not known. */
export function lastVersionOf(
  dataDir: string,
  { isTrusted = false }: Pick<OpenOptions, 'isTrusted'> = {},
): string | null {
  try {
    return withDatabase(join(dataDir, 'data.db'), { readOnly: true, isTrusted }, readLastVersion);
  } catch {
    // The start reports a file that is missing or damaged.
    return null;
  }
}

/** A version that must not run on a database, because a later one has changed it. */
export class OlderVersion extends FathomError {
  constructor(version: string, last: string) {
    super('conflict', olderVersionMessage(version, last));
  }
}

export function olderVersionMessage(version: string, last: string): string {
  return `PocketBase ${last} ran last on the database, and PocketBase ${version} is older: it may not read what the later one wrote; pin it to ${last} or later, or restore a copy from before ${last}`;
}

/** Whether a version is older than the one that ran last. Builds without a number have no order. */
export function isOlder(version: string, last: string | null): boolean {
  return last !== null && isVersion(version) && isVersion(last) && compareVersions(version, last) < 0;
}

/** Whether a version must not run on a database, because a later one ran last and may have changed its tables. */
export function isRefusedAfter(version: string, last: string): boolean {
  return isOlder(version, last) && !(isSameData(version) && isSameData(last));
}

/** A version with a suffix is an own build, which can have other tables. */
function isSameData(version: string): boolean {
  return (
    !version.includes('-') &&
    compareVersions(version, SAME_DATA.from) >= 0 &&
    compareVersions(version, SAME_DATA.to) <= 0
  );
}
