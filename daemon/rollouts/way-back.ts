import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { exists } from '../base/files/dir.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { holdMigrations, releaseMigrations } from '../databases/migrations/held-migrations.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import { closeDatabase, closeDatabases } from '../pocketbase/data/close-databases.ts';
import { writeLastVersion } from '../pocketbase/data/last-version.ts';
import { inTransaction, withDatabase } from '../pocketbase/data/sqlite.ts';
import { dataDirOf, rolloutDirOf } from '../supervisor/instance-spec.ts';
import { type ChangeDeps, copyOf, readFactsOf, setRow } from './change.ts';
import { findCopyDamage, linkFile, replaceDatabase } from './data/copy.ts';
import { hasSameSchema } from './data/facts.ts';
import type { DatabaseJournal } from './journal.ts';
import { tryVersion } from './trial.ts';

/** It runs with the new version, because going back would lose writes. */
export class StaysChanged extends Error {}

/**
 * Gives the data of a database back to the version before, with all writes of the new one. No process runs. Can be repeated
 * after an interruption.
 *
 * - The new version changed nothing but rows: the version before opens the data as it is.
 * - It changed the schema: the rows go into the copy from before the change, which has the schema of the version before.
 * - Neither works: the new version stays, because going back would lose writes.
 *
 * @throws StaysChanged
 */
export async function returnData(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<void> {
  const { directory } = entry.runner.spec;
  const dataDir = dataDirOf(directory);
  const binary = await deps.binaryOf(journal.before);
  closeDatabases(dataDir);
  if (journal.hold !== null) await holdMigrations(directory, journal.hold);
  const now = await readFactsOf(dataDir, entry.row.user, deps.thread);
  if (journal.facts && !hasSameSchema(journal.facts, now)) await carryInto(entry, journal, deps);
  const problem = await tryBefore(entry, binary, deps, signal);
  if (problem === null) {
    setLastVersion(dataDir, binary.version);
    const { before: version, applications } = journal;
    await setRow(entry, { version, applications: applications?.before ?? null }, deps);
    return;
  }
  throw await stayChanged(
    entry,
    journal,
    `PocketBase ${binary.version} does not open its data from before (${problem})`,
  );
}

/** Prepares a database that cannot go back for its next start with the new version. */
export async function stayChanged(
  entry: CatalogEntry,
  { hold, reason }: DatabaseJournal,
  problem: string,
): Promise<StaysChanged> {
  const { directory } = entry.runner.spec;
  if (await exists(newerOf(directory))) await replaceDatabase(newerOf(directory), dataDirOf(directory));
  if (hold !== null) await releaseMigrations(directory);
  return new StaysChanged(`${reason ?? 'it failed'}; going back failed: ${problem}; so it stays changed`);
}

/** Replaces the data by the copy with the rows of the data. What was there stays beside it. */
async function carryInto(
  entry: CatalogEntry,
  { hold, sums }: DatabaseJournal,
  { thread }: ChangeDeps,
): Promise<void> {
  const { directory } = entry.runner.spec;
  const damage = await findCopyDamage(copyOf(directory), sums);
  if (damage !== null) {
    if (hold !== null) await releaseMigrations(directory);
    throw new StaysChanged(`the copy of its data is damaged (${damage}), so it stays changed`);
  }
  const dataDir = dataDirOf(directory);
  const merged = join(rolloutDirOf(directory), 'merged.db');
  await rm(merged, { force: true });
  await copyFile(join(copyOf(directory), 'data.db'), merged);
  try {
    await thread.run({ kind: 'carry', file: merged, from: join(dataDir, 'data.db') });
  } catch (error) {
    if (hold !== null) await releaseMigrations(directory);
    throw new StaysChanged(
      `its rows do not fit into the schema from before (${messageOf(error)}), so it stays changed`,
      { cause: error },
    );
  }
  closeDatabase(merged, { isTrusted: true });
  await rm(newerOf(directory), { force: true });
  await linkFile(join(dataDir, 'data.db'), newerOf(directory));
  await replaceDatabase(merged, dataDir);
}

/** The data of the new version, when rows were brought into the copy. */
function newerOf(directory: string): string {
  return join(rolloutDirOf(directory), 'newer.db');
}

/** Why a version does not work with the data as it is; null when it does. */
export async function tryBefore(
  entry: CatalogEntry,
  binary: Binary,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<string | null> {
  const { directory } = entry.runner.spec;
  const facts = await readFactsOf(dataDirOf(directory), entry.row.user, deps.thread);
  return tryVersion({ entry, directory, binary, facts }, deps, signal);
}

/** The start would refuse a version that is older than the one that ran last. */
function setLastVersion(dataDir: string, version: string): void {
  withDatabase(join(dataDir, 'data.db'), { readOnly: false }, (database) =>
    inTransaction(database, () => writeLastVersion(database, version), { allowTriggers: true }),
  );
}
