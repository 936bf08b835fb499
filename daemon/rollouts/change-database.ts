import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhaseReason } from '../../shared/api/instances.ts';
import { messageOf } from '../../shared/errors.ts';
import { exists } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { holdMigrations, releaseMigrations } from '../databases/migrations/held-migrations.ts';
import { closeDatabases } from '../pocketbase/data/close-databases.ts';
import type { FoundProcess } from '../pocketbase/process/process-driver.ts';
import { dataDirOf, rolloutDirOf } from '../supervisor/instance-spec.ts';
import {
  type Change,
  type ChangeDeps,
  ChangeFailed,
  CopyDamaged,
  copyOf,
  endChange,
  enter,
  FailsBefore,
  readFactsOf,
  setRow,
} from './change.ts';
import { copyData, copyStorageAhead, findCopyDamage, hashCopy, restoreData } from './data/copy.ts';
import type { DatabaseThread } from './data/database-thread.ts';
import { type DatabaseFacts, describeLoss } from './data/facts.ts';
import type { DatabaseJournal } from './journal.ts';
import { tryVersion } from './trial.ts';
import { returnData, StaysChanged, stayChanged, tryBefore } from './way-back.ts';

const RETRY_MS = 1_000;
/** Another process can hold a lock on the database for a while, such as a backup. */
const RETURN_ATTEMPTS = 15;

/**
 * Changes one database between two of its processes. Clients wait meanwhile: what they write reaches the new version only when
 * it has passed its test, so going back to the copy loses nothing.
 *
 *   stop ─▶ copy ─▶ change ─▶ start on a port without clients ─▶ test ─▶ compare ─▶ start
 *                     └──────────────┴─────────────────────────────┴───────┴──▶ restore the copy, start as before
 *
 * @returns its journal, in the step `serving`
 * @throws ChangeFailed when it is as before; other errors leave the journal to the next daemon
 */
export async function changeDatabase(
  entry: CatalogEntry,
  change: Change,
  deps: ChangeDeps,
): Promise<DatabaseJournal> {
  // Verifies the executable, builds its template and starts the process of the checks, while clients do not wait.
  await deps.binaryOf(change.after);
  await change.prepare?.(entry);
  await deps.thread.prepare();
  const { row, instance } = entry;
  const { directory } = entry.runner.spec;
  // A change that could not go back left its files, which are of an earlier time.
  await removeTree(rolloutDirOf(directory));
  try {
    await copyStorageAhead(dataDirOf(directory), copyOf(directory));
  } catch (error) {
    await removeTree(rolloutDirOf(directory));
    throw error;
  }
  const journal: DatabaseJournal = {
    rollout: change.rollout,
    database: row.name,
    step: 'copying',
    before: row.pocketbase_version,
    after: change.after,
    applications:
      change.applications === null ? null : { before: instance.choice, after: change.applications },
    from: instance.binary.version,
    hold: change.hold,
    reason: null,
    sums: {},
    facts: null,
  };
  await entry.runner.maintain(async (signal) => {
    if (row.state !== 'ready') throw new ChangeFailed('it is being deleted');
    const problem = await tryChange(entry, change, journal, deps, signal).catch((error: unknown) => {
      // The daemon ends: the next one continues.
      if (signal.aborted) throw error;
      return messageOf(error);
    });
    if (problem === null) return;
    await restore(entry, { ...journal, step: 'restoring' }, deps, signal).catch((error: unknown) => {
      throw error instanceof CopyDamaged ? new CopyDamaged(`${problem}; ${error.message}`) : error;
    });
    throw await failureOf(entry, journal, problem, deps, signal);
  }, change.why);
  return journal;
}

/** Tests the version before in the same way: an owner can fill a database so that no version passes. */
async function failureOf(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  problem: string,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<ChangeFailed> {
  // Without facts, no version was tested.
  if (journal.facts === null) return new ChangeFailed(problem);
  const before = await tryBefore(entry, await deps.binaryOf(journal.before), deps, signal).catch(messageOf);
  closeDatabases(dataDirOf(entry.runner.spec.directory));
  return before === null || signal.aborted
    ? new ChangeFailed(problem)
    : new FailsBefore(bothFail(problem, journal.from, before));
}

/** Why a failure does not count. @param before what happened with the version before */
export function bothFail(problem: string, version: string, before: string): string {
  return `${problem}; with PocketBase ${version} it fails too: ${before}`;
}

async function tryChange(
  entry: CatalogEntry,
  change: Change,
  journal: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<string | null> {
  const { catalog, thread, onStep } = deps;
  const { directory } = entry.runner.spec;
  const { name, user } = entry.row;
  const dataDir = dataDirOf(directory);
  await enter(journal, 'copying', deps);
  const binary = await deps.binaryOf(change.after);
  closeDatabases(dataDir);
  // Keys and settings that have changed since its last start.
  catalog.adjust(entry);
  closeDatabases(dataDir);
  await copyData(dataDir, copyOf(directory));
  journal.sums = await hashCopy(copyOf(directory));
  const facts = await checkCopy(copyOf(directory), user, thread);
  onStep('copied', name);
  signal.throwIfAborted();
  journal.facts = facts;
  await enter(journal, 'trying', deps);
  const failure = await change.apply(entry, directory, signal);
  if (failure !== null) return failure;
  const current = change.keepsData ? facts : await readFactsOf(dataDir, user, thread);
  const problem = await tryVersion(
    { entry, directory, binary, facts: current, served: change.served(entry) },
    deps,
    signal,
  );
  if (problem !== null) return problem;
  closeDatabases(dataDir);
  const loss = describeLoss(current, await readFactsOf(dataDir, user, thread));
  if (loss !== null) return loss;
  onStep('tried', name);
  signal.throwIfAborted();
  await enter(journal, 'serving', deps);
  if (change.hold !== null) await releaseMigrations(directory);
  await setRow(entry, { version: change.after, applications: change.applications }, deps);
  return null;
}

/** @throws an Error that names the damage */
async function checkCopy(copy: string, user: string, thread: DatabaseThread): Promise<DatabaseFacts> {
  const result = await thread.run({ kind: 'check', file: join(copy, 'data.db') });
  if (result !== 'ok') throw new Error(`the copy of its data is damaged: ${result}`);
  return readFactsOf(copy, user, thread);
}

/**
 * Brings the copy back, until it works: without it, the data may be half changed.
 *
 * @throws CopyDamaged
 */
async function restore(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<void> {
  const { directory } = entry.runner.spec;
  for (let isFirst = true; ; isFirst = false) {
    try {
      // Else its next start would apply them, without a copy.
      if (journal.hold !== null) await holdMigrations(directory, journal.hold);
      // Without facts, the copy was not complete, and the data was not changed.
      if (journal.facts !== null) {
        const damage = await findCopyDamage(copyOf(directory), journal.sums);
        if (damage !== null) await keepChangedData(entry, journal, damage, deps, signal);
        await enter(journal, 'restoring', deps);
        await restoreData(copyOf(directory), dataDirOf(directory));
      }
      await endChange(entry, deps);
      return;
    } catch (error) {
      if (error instanceof CopyDamaged) throw error;
      if (isFirst) {
        const message = `cannot bring back its data, and tries again: ${messageOf(error)}`;
        deps.log.error({ err: error, instance: entry.row.name }, message);
      }
      await deps.clock.sleep(RETRY_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/**
 * Keeps the data as the change left it, for the version before, and the damaged copy beside it. Never brings the copy back
 * later: clients write from now on.
 *
 * @throws CopyDamaged always, with what is left and where
 */
async function keepChangedData(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  damage: string,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<never> {
  const { directory } = entry.runner.spec;
  const kept = join(rolloutDirOf(directory), `damaged-${journal.rollout}`);
  if (await exists(copyOf(directory))) await rename(copyOf(directory), kept);
  const problem = await tryChangedData(entry, journal, deps, signal).catch(messageOf);
  // The daemon ends: the next one continues.
  signal.throwIfAborted();
  await deps.journals.remove(entry.row.name);
  const left = `its data is as the change left it, and the damaged copy is in ${kept}`;
  throw new CopyDamaged(
    problem === null
      ? `the copy of its data is damaged (${damage}), so it was not brought back: ${left}`
      : `the copy of its data is damaged (${damage}), and PocketBase ${journal.from} does not open the data (${problem}): restore a backup; ${left}`,
  );
}

async function tryChangedData(
  entry: CatalogEntry,
  { before }: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<string | null> {
  closeDatabases(dataDirOf(entry.runner.spec.directory));
  return tryBefore(entry, await deps.binaryOf(before), deps, signal);
}

/** Goes back to the version before after clients have written with the new one, with their writes. */
export function returnDatabase(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  reason: string,
  deps: ChangeDeps,
): Promise<void> {
  const why: PhaseReason = { code: 'requested', message: `going back to the version before: ${reason}` };
  return entry.runner.maintain(async (signal) => {
    journal.reason = reason;
    await enter(journal, 'returning', deps);
    await returnAndEnd(entry, journal, deps, signal);
  }, why);
}

async function returnAndEnd(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<void> {
  const staysChanged = await tryToReturn(entry, journal, deps, signal);
  if (staysChanged === null) return endChange(entry, deps);
  // The copy stays for an administrator, until the next change of the database. A journal would go back to it later, without
  // what is changed from now on.
  await deps.journals.remove(entry.row.name);
  const left = `the copy from before is in ${copyOf(entry.runner.spec.directory)}`;
  throw new StaysChanged(`${staysChanged.message}; ${left}`, { cause: staysChanged });
}

/** Returns null when it has the version before. */
async function tryToReturn(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  deps: ChangeDeps,
  signal: AbortSignal,
): Promise<StaysChanged | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await returnData(entry, journal, deps, signal);
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof StaysChanged) return error;
      if (attempt === RETURN_ATTEMPTS) return stayChanged(entry, journal, messageOf(error));
      if (attempt === 1) {
        const message = `cannot go back yet, and tries again: ${messageOf(error)}`;
        deps.log.warn({ err: error, instance: entry.row.name }, message);
      }
      await deps.clock.sleep(RETRY_MS, signal);
      signal.throwIfAborted();
    }
  }
}

/** What the next daemon does with the journal of one that was killed, before the database starts. */
export function finishChange(
  entry: CatalogEntry,
  journal: DatabaseJournal,
  processes: readonly FoundProcess[],
  deps: ChangeDeps,
): Promise<void> {
  const why: PhaseReason = { code: 'requested', message: 'finishing a change that was interrupted' };
  return entry.runner.maintain(async (signal) => {
    for (const process of processes) await deps.fleet.endFound(process);
    if (journal.step === 'returning') await returnAndEnd(entry, journal, deps, signal);
    else await restore(entry, journal, deps, signal);
  }, why);
}
