import type { ArchivedResult } from '../../../shared/api/archive.ts';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull, makeDirectory, systemErrorCode } from '../../base/files/dir.ts';
import { CANNOT_MOVE, removeTree } from '../../base/files/remove-tree.ts';
import type { Logger } from '../../base/log/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../base/time/clock.ts';
import {
  endArchive,
  findIrreplaceable,
  recoverArchived,
  removeLeft,
  takeAway,
} from '../../databases/archive/archive-files.ts';
import type { ArchivedDatabase, ArchivedDatabases } from '../../databases/archive/archived-databases.ts';
import { type Catalog, type CatalogEntry, requireUnchanged } from '../../databases/catalog.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { archivedFileOf } from '../../pocketbase/data/archived-file.ts';
import { lastVersionOf } from '../../pocketbase/data/last-version.ts';
import { isFull } from '../../pocketbase/data/sqlite.ts';
import { databaseUsage, movedDirectories } from '../../supervisor/disk/database-usage.ts';
import { dataDirOf, restoreDirOf } from '../../supervisor/instance-spec.ts';
import type { Leftovers } from '../../supervisor/start/leftovers.ts';
import { requireSpace } from '../restore/require-space.ts';
import { beginSwap, endSwap, moveData, removeRestore } from '../restore/swap-data.ts';
import { BackupFailed, type BackupProcesses, failed } from '../run/backup-processes.ts';
import type { BackupSubject, Backups } from '../service/backups.ts';
import { requireKept } from './kept-archives.ts';

/** Steps of an archiving and of the way back that tests observe. */
export type ArchiveStep = 'stored' | 'verified' | 'taken' | 'removed' | 'fetching' | 'fetched' | 'back';

export interface DatabaseArchivesDeps {
  catalog: Catalog;
  subjects: { find: (name: string) => BackupSubject | null };
  backups: Pick<Backups, 'create' | 'verify' | 'hold' | 'inTurn'>;
  masterKeys: MasterKeys;
  /** BACKUP_TARGET */
  target: string;
  /** DISK_RESERVE_MB. The way back leaves as much. */
  reserveBytes: number;
  /** For the way back only, so that it does not wait for a backup. */
  processes: BackupProcesses;
  /** Whether a rollout changes a database now, or watches it. */
  isChanging: (name: string) => Promise<boolean>;
  isRestoring: (name: string) => boolean;
  /** Whether the host can hold the sockets of databases without a process. */
  holdsSockets: () => Promise<boolean>;
  clock: Clock;
  log: Logger;
  onStep: (step: ArchiveStep, database: string) => void;
}

/** At the same time. */
export const MAX_WAYS_BACK = 4;

/** Shown while it is archived. */
const ARCHIVING: PhaseReason = { code: 'requested', message: 'it is archived now' };

/**
 * Moves the files of databases that are not used from the disk into a backup, and back:
 *
 *   back up ─▶ stop ─▶ back up what has changed ─▶ read the backup ─▶ take the files away ─▶ remove them
 *      clients wait │                                                        │
 *                   ▼                                                        ▼
 *               as before ◀── any failure                            asleep (archived)
 *
 *   asleep ──(request, sign-in, command)──▶ read the backup beside its place ─▶ swap ─▶ start
 *
 * Both end with one rename. See `archive-files.ts` and `swap-data.ts` for interruptions.
 */
export class DatabaseArchives {
  readonly #deps: DatabaseArchivesDeps;
  readonly #slots = new Semaphore(MAX_WAYS_BACK);
  readonly #returns = new SingleFlight<PhaseReason | null>();
  readonly #active = new Set<string>();
  readonly #stopped = new AbortController();

  constructor(deps: DatabaseArchivesDeps) {
    this.#deps = deps;
    deps.catalog.archived.onBringBack((name) => this.#returns.run(name, () => this.#tryToReturn(name)));
  }

  /** Reads which databases are archived. Call it when unfinished restores have ended, and before instances start. */
  async recover(leftovers: Leftovers): Promise<void> {
    const { catalog, log } = this.#deps;
    const names = [
      ...catalog.entries().map(({ row }) => row.name),
      ...catalog.trashed.all().map(({ name }) => name),
    ];
    for (const name of names) {
      try {
        const directory = catalog.directoryOf(name);
        const archived = leftovers.has(archivedFileOf(directory)) ? await recoverArchived(directory) : null;
        if (archived === null) continue;
        catalog.archived.add(name, archived);
        const entry = catalog.find(name);
        if (entry?.row.desired === 'stopped')
          entry.runner.state.enter('stopped', catalog.archived.reasonOf(name));
      } catch (error) {
        catalog.archived.addUnreadable(name);
        log.error(
          { err: error, instance: name },
          `cannot read where its archived files are: ${messageOf(error)}; run 'fathomd backups restore ${name}'`,
        );
      }
    }
  }

  /** Ends the ways back that have not ended. The next daemon begins them again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#deps.processes.close();
    await this.#returns.idle();
  }

  /** See `requireKept`. @throws FathomError `missing_archives`; BackupFailed */
  requireKept(): Promise<void> {
    const { catalog, target, processes } = this.#deps;
    return requireKept(catalog.archived, { target, processes });
  }

  /** Whether the files of a database are on their way. */
  isMoving(name: string): boolean {
    return this.#active.has(name);
  }

  /**
   * Archives a database. One that runs sleeps afterwards, until its next use.
   *
   * @throws FathomError `not_found`, `conflict`, `backup.failed`
   */
  async archive(name: string): Promise<ArchivedResult> {
    const { catalog, backups } = this.#deps;
    const entry = await this.#requireArchivable(name);
    this.#active.add(name);
    try {
      // The database serves meanwhile, and little is left for the second backup.
      if (entry.runner.state.observed.pid !== null)
        await backups.create(this.#subjectOf(name), { onlyChanged: true });
      const archived = await this.#archive(entry);
      const view = entry.runner.state.view();
      return { database: name, phase: view.phase, ...archived };
    } catch (error) {
      throw describeFailure(error, name);
    } finally {
      this.#active.delete(name);
      if (catalog.archived.find(name)) await this.#removeLeft(entry);
    }
  }

  async #requireArchivable(name: string): Promise<CatalogEntry> {
    const { catalog, isChanging, isRestoring, holdsSockets } = this.#deps;
    const entry = catalog.get(name);
    const refuse = (why: string) => new FathomError('conflict', `${name} cannot be archived: ${why}`);
    if (entry.row.state !== 'ready') throw refuse('it is being created or deleted');
    if (catalog.archived.find(name)) throw refuse('it is archived already');
    requireUnchanged(entry);
    if (this.#active.has(name) || isRestoring(name) || (await isChanging(name)))
      throw refuse('its files are being changed; wait for the end');
    const { phase, reason } = entry.runner.state;
    if (phase === 'failed' || phase === 'backing_off')
      throw refuse(`it does not run (${reason?.message ?? phase}); correct that first`);
    if (entry.row.desired === 'running' && !(await holdsSockets()))
      throw refuse("this host does not hold sockets, see 'fathomd doctor'; stop the database first");
    const { directory } = entry.runner.spec;
    const [moved] = movedDirectories(directory);
    if (moved !== undefined) throw refuse(`some of its files are on another disk, in ${moved}`);
    const found = await findIrreplaceable(directory);
    if (found !== null)
      throw refuse(`no backup contains pb_data/${found}; move it away or delete it, then archive it again`);
    return entry;
  }

  async #archive(entry: CatalogEntry): Promise<ArchivedDatabase> {
    const { catalog, backups, target, clock, log, onStep } = this.#deps;
    const { name } = entry.row;
    const { directory } = entry.runner.spec;
    const wasAsleep = entry.runner.state.phase === 'asleep';
    let archived: ArchivedDatabase | null = null;
    await entry.runner.maintain(async (signal) => {
      await using held = new AsyncDisposableStack();
      const { backup } = await backups.create(this.#subjectOf(name), { onlyChanged: true });
      held.defer(backups.hold(name, backup.id));
      onStep('stored', name);
      await this.#verify(name, backup.id);
      onStep('verified', name);
      signal.throwIfAborted();
      if (wasAsleep && entry.runner.state.phase !== 'asleep')
        throw new FathomError('conflict', `${name} was used in the meantime, so it was not archived`);
      const { bytes: freed } = await databaseUsage(directory);
      const record: ArchivedDatabase = {
        backup: backup.id,
        target,
        archived_at: clock.now().toISOString(),
        bytes: backup.bytes,
        freed_bytes: freed,
        version: lastVersionOf(dataDirOf(directory)),
      };
      await takeAway(directory, record);
      catalog.archived.add(name, record);
      archived = record;
      onStep('taken', name);
      log.warn({ instance: name, backup: backup.id, freed }, 'archived a database');
    }, ARCHIVING);
    if (archived === null) throw new Error(`the archiving of ${name} ended without a result`);
    await this.#untilAtRest(entry);
    return archived;
  }

  /** @throws FathomError `backup.failed` unless every part of the backup can be read */
  async #verify(name: string, id: string): Promise<void> {
    const [verified] = await this.#deps.backups.verify(name, [id]);
    if (verified?.state !== 'complete')
      throw new FathomError(
        'backup.failed',
        `the backup ${id} of ${name} is damaged on the target, so ${name} was not archived; run 'fathomd backups create ${name}'`,
      );
  }

  /** The caller learns the phase that it stays in. */
  async #untilAtRest({ runner: { state } }: CatalogEntry): Promise<void> {
    const isAtRest = () => state.phase === 'asleep' || state.phase === 'stopped' || state.phase === 'running';
    await state.until(isAtRest, this.#stopped.signal);
  }

  /** The next daemon removes what stays. */
  async #removeLeft({ row: { name }, runner }: CatalogEntry): Promise<void> {
    try {
      await removeLeft(runner.spec.directory);
      this.#deps.onStep('removed', name);
    } catch (error) {
      this.#deps.log.error(
        { err: error, instance: name },
        `cannot remove archived files: ${messageOf(error)}`,
      );
    }
  }

  /** @returns why its files do not come back; null when they are back */
  async #tryToReturn(name: string): Promise<PhaseReason | null> {
    const { backups, log } = this.#deps;
    const release = await this.#slots.acquire(this.#stopped.signal);
    if (release === null) return { code: 'archive_unavailable', message: 'the daemon stops' };
    this.#active.add(name);
    try {
      await backups.inTurn(name, () => this.#return(name));
      return null;
    } catch (error) {
      await this.#undo(name);
      if (!this.#stopped.signal.aborted)
        log.error({ instance: name }, `cannot bring back an archived database: ${messageOf(error)}`);
      return reasonOf(error);
    } finally {
      this.#active.delete(name);
      release();
    }
  }

  async #return(name: string): Promise<void> {
    const { catalog, clock, log, onStep } = this.#deps;
    const entry = catalog.find(name);
    const archived = catalog.archived.find(name);
    // A restore, or a deletion, was first.
    if (!archived || !entry) return;
    const begun = clock.monotonic();
    const { directory } = entry.runner.spec;
    const backup = await this.#fetch(entry, archived);
    onStep('fetched', name);
    if (catalog.find(name) !== entry || entry.row.state !== 'ready')
      throw new FathomError('conflict', `${name} was deleted in the meantime`);
    const swap = await beginSwap(directory, backup, { now: clock.now(), isOwner: false });
    // Keys and settings may have changed since.
    moveData(directory, swap, { adjust: (dataDir) => catalog.adjustCopy(entry, dataDir), onMoved: () => {} });
    await endSwap(directory);
    await endArchive(catalog.archived, { name, directory });
    onStep('back', name);
    const took = Math.round(clock.monotonic() - begun);
    log.warn({ instance: name, backup, ms: took }, 'brought back an archived database');
  }

  /**
   * Reads the backup into a directory beside the data. BACKUP_TARGET may be another one since, with the content of the
   * former one, with a part of it, or without it.
   *
   * @returns the id of the backup
   * @throws BackupFailed with the problem of each target
   */
  async #fetch({ row: { name }, runner }: CatalogEntry, archived: ArchivedDatabase): Promise<string> {
    const { masterKeys: masters, processes, reserveBytes, clock, log, onStep } = this.#deps;
    const { directory } = runner.spec;
    const id = archived.backup;
    const common = { database: name, masters, id } as const;
    const targets = [...new Set([this.#deps.target, archived.target])];
    const problems: string[] = [];
    for (const target of targets) {
      await removeRestore(directory);
      try {
        const find = { kind: 'find', target, ...common, now: clock.now() } as const;
        const { backup } = await processes.run(find, { isUrgent: true });
        if (backup === null) throw failed('failed', `the target has no backup '${id}' of ${name}`);
        await makeDirectory(restoreDirOf(directory));
        await requireSpace(directory, backup, reserveBytes, 'the database comes back by itself');
        onStep('fetching', name);
        const staged = dataDirOf(restoreDirOf(directory));
        await processes.run({ kind: 'restore', target, ...common, directory: staged }, { isUrgent: true });
        if (problems.length > 0)
          log.warn({ instance: name }, `read an archived database from a former target: ${problems.join()}`);
        return id;
      } catch (error) {
        const isOfTarget = error instanceof BackupFailed && error.reason !== 'disk_full';
        if (!isOfTarget || targets.length === 1 || this.#stopped.signal.aborted) throw error;
        const which = target === this.#deps.target ? 'BACKUP_TARGET' : `the former target ${target}`;
        problems.push(`${which}: ${error.message}`);
      }
    }
    throw failed('failed', problems.join('; '));
  }

  async #undo(name: string): Promise<void> {
    const { catalog, log } = this.#deps;
    try {
      const directory = catalog.directoryOf(name);
      if (catalog.archived.find(name)) await removeRestore(directory);
      // It was deleted, and reading the backup has created its directory again.
      else if (catalog.find(name) === null && catalog.trashed.find(name) === null)
        await removeTree(directory);
    } catch (error) {
      log.warn({ instance: name }, `cannot remove what it has read of a backup: ${messageOf(error)}`);
    }
  }

  #subjectOf(name: string): BackupSubject {
    const subject = this.#deps.subjects.find(name);
    if (!subject) throw new FathomError('not_found', `${name} was deleted in the meantime`);
    return subject;
  }
}

/** @throws BackupFailed when the files of a database are in a backup, and it is not known in which */
export function requireKnownArchive(name: string, archived: ArchivedDatabases): void {
  if (!archived.isUnreadable(name)) return;
  throw new BackupFailed({
    reason: 'failed',
    message: `no backup of ${name} was removed: one of them has its archived files, and archived.json, which names it, cannot be read; run 'fathomd backups restore ${name}', then prune again`,
  });
}

function reasonOf(error: unknown): PhaseReason {
  const message = messageOf(error);
  const isDisk =
    error instanceof FathomError ? error.code === 'backup.failed' : isDiskFull(error) || isFull(error);
  const isNamed = error instanceof BackupFailed && error.reason === 'disk_full';
  return { code: isDisk || isNamed ? 'disk_full' : 'archive_unavailable', message };
}

function describeFailure(error: unknown, name: string): unknown {
  if (error instanceof FathomError) return error;
  const cause = { cause: error };
  if (CANNOT_MOVE.has(systemErrorCode(error)))
    return new FathomError('conflict', `${name} cannot be archived: pb_data is a mount point`, cause);
  if (error instanceof BackupFailed)
    return new FathomError(
      'backup.failed',
      `${name} was not archived and is as before: ${error.message}`,
      cause,
    );
  return error;
}
