import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RestoredDatabase, RestoreProgress } from '../../../shared/api/backups.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { endArchive } from '../../databases/archive/archive-files.ts';
import type { Catalog, CatalogEntry } from '../../databases/catalog.ts';
import type { OwnerSync } from '../../databases/owner/owner-sync.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import type { Binary } from '../../pocketbase/binary/binary.ts';
import { isRefusedAfter, lastVersionOf } from '../../pocketbase/data/last-version.ts';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import type { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import { tryCopy } from '../../rollouts/rehearse.ts';
import type { TrialDeps } from '../../rollouts/trial.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { dataDirOf, restoreDirOf } from '../../supervisor/instance-spec.ts';
import type { Leftovers } from '../../supervisor/start/leftovers.ts';
import type { BackupProcesses } from '../run/backup-processes.ts';
import type { FoundBackup } from '../run/restore-work.ts';
import type { BackUpBefore } from '../service/back-up-before.ts';
import { adoptData } from './adopt-data.ts';
import { endSessions } from './end-sessions.ts';
import { EndedRestores, UNDONE } from './ended-restores.ts';
import { requireSpace, requireWithinLimit } from './require-space.ts';
import { chooseBackupBefore, type Replicas, requirePast, stageTime } from './stage-time.ts';
import {
  beginSwap,
  endSwap,
  moveData,
  readSwap,
  removeFormer,
  removeRestore,
  type Swap,
} from './swap-data.ts';

/** Steps of a restore that tests observe. */
export type RestoreStep = 'reading' | 'staged' | 'tried' | 'swapping' | 'moved' | 'swapped' | 'ended';

export interface RestoresDeps extends TrialDeps {
  catalog: Catalog;
  fleet: Fleet;
  ownerSync: Pick<OwnerSync, 'changed' | 'readAccount'>;
  masterKeys: MasterKeys;
  /** BACKUP_TARGET */
  target: string;
  /** For restores only, so that none waits for a backup. */
  processes: BackupProcesses;
  /** The verified executable of a database, with its template. @throws FathomError `binary.unusable` */
  binaryOf: (entry: CatalogEntry) => Promise<Binary>;
  /** Whether a rollout changes a database now, or watches it. */
  isChanging: (name: string) => Promise<boolean>;
  backUpBefore: BackUpBefore;
  /** Keeps a backup from being pruned. Returns what ends this. */
  hold: (name: string, id: string) => () => void;
  /** Runs work between two backups of a database: they remove parts that no backup needs any more. */
  inTurn: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  /** @throws FathomError `backup.failed` when the target that was used before is not there */
  requireUsedTarget: () => Promise<void>;
  /** The disk of the host is nearly full. */
  isDiskHeld: () => boolean;
  replicas: Replicas;
  /** DISK_RESERVE_MB. A restore leaves as much. */
  reserveBytes: number;
  thread: DatabaseThread;
  onStep: (step: RestoreStep, database: string) => void;
}

/** At the same time. */
export const MAX_RESTORES = 2;

/** What is restored. Of a time, `id` is the time, and `filesFrom` the backup with the uploaded files. */
type FoundOne = NonNullable<FoundBackup['backup']> & { filesFrom: string | null };

export interface RestoreOptions {
  /** The owner restores, who keeps the data of one earlier time only. */
  isOwner: boolean;
  /** Restores the replica as it was then, and not a backup. */
  at?: Date | undefined;
  /** Imports this file, which `backups export` wrote on any host, and not a backup. */
  archive?: string | undefined;
  /** Restores also when the backup of the present data fails. */
  withoutBackup: boolean;
}

/**
 * Restores databases from their backups.
 *
 *   read ─▶ end its sessions ─▶ start on a port without clients, test ─▶ stop ─▶ swap ─▶ start
 *                        while the database serves │                │ clients wait
 *
 * Until the swap, every failure leaves the database as it is.
 */
export class Restores {
  readonly #deps: RestoresDeps;
  readonly #active = new Map<string, RestoreProgress>();
  readonly ended: EndedRestores;
  readonly #slots = new Semaphore(MAX_RESTORES);
  readonly #stopped = new AbortController();

  constructor(deps: RestoresDeps) {
    this.#deps = deps;
    this.ended = new EndedRestores(deps);
  }

  /**
   * Replaces the data of a database by that of a backup. The present data is kept beside it.
   *
   * @param id of the backup; `latest` for the last one
   * @throws FathomError `not_found`, `conflict`, `backup.failed`, `instance.failed`
   */
  async restore(name: string, id: string, options: RestoreOptions): Promise<RestoredDatabase> {
    await this.#requireReady(name);
    if (options.at) requirePast(options.at, this.#deps.clock.now());
    if (this.#active.has(name)) throw new FathomError('conflict', `${name} is being restored already`);
    const since = this.#deps.clock.now().toISOString();
    this.#active.set(name, { backup: id, stage: 'waiting', bytes: 0, read_bytes: 0, since });
    await using held = new AsyncDisposableStack();
    try {
      const chosen = await this.#backUpFirst(name, id, options, held);
      const restored = await this.#deps.inTurn(name, () => this.#restoreInSlot(name, chosen, options));
      await this.ended.add(name, restored.backup, null);
      return restored;
    } catch (error) {
      throw await this.ended.addFailed(name, id, error);
    } finally {
      this.#active.delete(name);
    }
  }

  /** The restore of a database in progress; null without one. */
  progressOf(name: string): RestoreProgress | null {
    return this.#active.get(name) ?? null;
  }

  #note(name: string, change: Partial<RestoreProgress>): void {
    const progress = this.#active.get(name);
    if (progress) this.#active.set(name, { ...progress, ...change });
  }

  /**
   * Backs up the present data. The backup to restore is chosen before, because `latest` would be the new one. For a time, the
   * last backup before it is chosen later.
   *
   * @returns its id
   */
  async #backUpFirst(
    name: string,
    id: string,
    { at, archive, withoutBackup }: RestoreOptions,
    held: AsyncDisposableStack,
  ): Promise<string> {
    const { backUpBefore, hold, inTurn } = this.#deps;
    if (backUpBefore === null) return id;
    const choose = async (): Promise<string> => {
      const found = await this.#find(name, id);
      held.defer(hold(name, found.id));
      return found.id;
    };
    const chosen = at || archive !== undefined ? id : await inTurn(name, choose);
    this.#note(name, { stage: 'backing_up', backup: chosen });
    await backUpBefore(name, { what: 'restore', withoutBackup });
    this.#note(name, { stage: 'waiting' });
    return chosen;
  }

  async #restoreInSlot(name: string, id: string, options: RestoreOptions): Promise<RestoredDatabase> {
    const { signal } = this.#stopped;
    const release = await this.#slots.acquire(signal);
    if (release === null) throw signal.reason;
    try {
      // It may have changed meanwhile.
      return await this.#restore(await this.#requireReady(name), id, options);
    } finally {
      release();
    }
  }

  async #requireReady(name: string): Promise<CatalogEntry> {
    const entry = this.#deps.catalog.get(name);
    if (entry.row.state !== 'ready')
      throw new FathomError('conflict', `${name} is being created or deleted; try again later`);
    await this.#requireNoRollout(name);
    if (this.#deps.isDiskHeld())
      throw new FathomError(
        'backup.failed',
        `the disk of FATHOM_DATA_DIR is nearly full, so ${name} was not restored; free some space, then restore it again`,
      );
    return entry;
  }

  async #restore(
    entry: CatalogEntry,
    id: string,
    { isOwner, at, archive }: RestoreOptions,
  ): Promise<RestoredDatabase> {
    const { log, ownerSync } = this.#deps;
    const { name, user } = entry.row;
    const { directory } = entry.runner.spec;
    let backup: FoundOne;
    let swap: Swap;
    try {
      await removeRestore(directory);
      if (archive !== undefined) backup = await this.#stageArchive(entry, archive);
      else backup = at ? await this.#stageTime(entry, at) : await this.#stage(entry, id);
      await this.#try(entry, backup);
      swap = await this.#swap(entry, backup, { isOwner });
    } catch (error) {
      await this.#undo(entry);
      throw error;
    }
    // Tokens were signed with the keys of before.
    ownerSync.changed(user);
    if (isOwner) await this.#removeFormer(entry, swap);
    const keptIn = swap.before === null ? null : `${directory}/${swap.before}`;
    log.warn({ instance: name, backup: backup.id, kept_in: keptIn }, 'restored a database');
    const instance = await this.#start(entry, keptIn);
    return {
      database: name,
      backup: backup.id,
      created_at: backup.created_at,
      files_from: backup.filesFrom,
      kept_in: keptIn,
      phase: instance.phase,
      reason: instance.reason,
    };
  }

  /** An owner keeps the data of one restore. What stays after a failure, the next restore removes. */
  async #removeFormer({ row, runner }: CatalogEntry, swap: Swap): Promise<void> {
    try {
      await removeFormer(runner.spec.directory, swap);
    } catch (error) {
      this.#deps.log.warn(
        { err: error, instance: row.name },
        `cannot remove the data that an earlier restore kept: ${messageOf(error)}`,
      );
    }
  }

  async #undo({ row, runner }: CatalogEntry): Promise<void> {
    const { directory } = runner.spec;
    // Between the two renames, only the next start of the daemon finishes the restore.
    const isHalf = (await readSwap(directory)) !== null && !(await exists(dataDirOf(directory)));
    if (!isHalf) await removeRestore(directory);
    // Reading the backup may have created the directory again.
    if (row.state === 'deleting') await removeTree(directory);
  }

  /** Reads the backup into a directory beside the data, in another process. */
  async #stage(entry: CatalogEntry, id: string): Promise<FoundOne> {
    const { target, masterKeys: masters, processes, onStep } = this.#deps;
    const { name } = entry.row;
    const { directory } = entry.runner.spec;
    const backup = await this.#find(name, id);
    onStep('reading', name);
    const staged = await this.#beginStage(name, directory, backup);
    const work = { kind: 'restore', target, database: name, masters, id: backup.id } as const;
    const onBytes = (read_bytes: number) => this.#note(name, { read_bytes });
    await processes.run({ ...work, directory: staged }, { onBytes });
    await this.#endStage(entry, staged, backup);
    return backup;
  }

  /** The same for the replica as it was at a time. */
  async #stageTime(entry: CatalogEntry, at: Date): Promise<FoundOne> {
    const { target, processes, onStep } = this.#deps;
    const { name } = entry.row;
    const { directory } = entry.runner.spec;
    onStep('reading', name);
    const files = chooseBackupBefore(await processes.run({ kind: 'list', target, database: name }), at);
    const present = await stat(join(dataDirOf(directory), 'data.db')).catch(unlessMissing);
    const bytes = (files?.bytes ?? 0) + (present?.size ?? 0);
    const time = at.toISOString();
    const found = { id: time, created_at: time, bytes, filesFrom: files?.id ?? null };
    const staged = await this.#beginStage(name, directory, found);
    const { signal } = this.#stopped;
    const onBytes = (read: number) => this.#note(name, { read_bytes: Math.min(read, bytes) });
    await stageTime({ name, at, staged, directory, signal, onBytes }, this.#deps, files);
    await this.#endStage(entry, staged, found);
    return found;
  }

  /** The same for an archive, which becomes a database of this owner. */
  async #stageArchive(entry: CatalogEntry, archive: string): Promise<FoundOne> {
    const { target, processes, thread, onStep } = this.#deps;
    const { name, user } = entry.row;
    const { directory } = entry.runner.spec;
    onStep('reading', name);
    const facts = await processes.run({ kind: 'archive', target, archive });
    const found = { ...facts, filesFrom: null };
    const { bytes } = found;
    requireWithinLimit(bytes, entry.runner.spec.limits().disk_bytes);
    const staged = await this.#beginStage(name, directory, found, 'import it again');
    const onBytes = (read_bytes: number) => this.#note(name, { read_bytes });
    await processes.run({ kind: 'unpack', target, archive, directory: staged, bytes }, { onBytes });
    this.#note(name, { stage: 'testing' });
    // First: until then, the daemon itself opens nothing of it.
    await adoptData(staged, user, thread);
    await this.#endStage(entry, staged, found, { hasSessions: false });
    return found;
  }

  /**
   * @param next what to do when there is space
   * @returns the directory for what is read
   */
  async #beginStage(name: string, directory: string, found: FoundOne, next?: string): Promise<string> {
    const { id, bytes } = found;
    this.#note(name, { stage: 'reading', backup: id, bytes });
    await makeDirectory(restoreDirOf(directory));
    await requireSpace(directory, found, this.#deps.reserveBytes, next);
    return dataDirOf(restoreDirOf(directory));
  }

  async #endStage(
    entry: CatalogEntry,
    staged: string,
    backup: FoundOne,
    { hasSessions = true } = {},
  ): Promise<void> {
    const { name } = entry.row;
    this.#note(name, { stage: 'testing' });
    await this.#requireVersion(entry, staged, backup);
    if (hasSessions) await endSessions(staged, backup, this.#deps.thread);
    this.#deps.onStep('staged', name);
  }

  async #find(name: string, id: string): Promise<FoundOne> {
    const { target, masterKeys: masters, processes, clock, log } = this.#deps;
    const now = clock.now();
    const found = await processes.run({ kind: 'find', target, database: name, masters, id, now });
    if (found.ignored.length > 0)
      log.warn(
        { instance: name, ignored: found.ignored },
        `ignored backups of ${name} whose time is in the future; check the clock, or restore one by its id`,
      );
    if (found.backup !== null) return { ...found.backup, filesFrom: null };
    await this.#deps.requireUsedTarget();
    throw new FathomError(
      'not_found',
      `there is no backup '${id}' of ${name}; its last ones are ${found.known.join(', ') || 'none'}`,
    );
  }

  /** @throws FathomError `conflict` for a PocketBase that is older than the one of the backup */
  async #requireVersion(entry: CatalogEntry, staged: string, { id }: FoundOne): Promise<void> {
    const { version } = await this.#deps.binaryOf(entry);
    const last = lastVersionOf(staged);
    if (last === null || !isRefusedAfter(version, last)) return;
    const { name } = entry.row;
    throw new FathomError(
      'conflict',
      `PocketBase ${last} wrote the backup ${id}, and ${name} runs PocketBase ${version}, which is older; run 'fathomd databases pin ${name} ${last}', or restore an earlier backup`,
    );
  }

  /** A change of the version may go back, with the rows of the data that it finds then. */
  async #requireNoRollout(name: string): Promise<void> {
    if (await this.#deps.isChanging(name))
      throw new FathomError('conflict', `a rollout changes ${name}; wait for its end, then restore it`);
  }

  async #try(entry: CatalogEntry, { id }: FoundOne): Promise<void> {
    const { catalog, ownerSync, binaryOf, onStep } = this.#deps;
    const { name, user } = entry.row;
    const directory = restoreDirOf(entry.runner.spec.directory);
    await ownerSync.readAccount(user);
    catalog.adjustCopy(entry, dataDirOf(directory));
    const binary = await binaryOf(entry);
    const problem = await tryCopy(entry, { directory, binary }, this.#deps, this.#stopped.signal);
    if (problem !== null)
      throw new FathomError(
        'backup.failed',
        `the backup ${id} of ${name} does not work with PocketBase ${binary.version}: ${problem}; the database is as before, use another backup`,
      );
    onStep('tried', name);
  }

  async #swap(entry: CatalogEntry, { id }: FoundOne, { isOwner }: { isOwner: boolean }): Promise<Swap> {
    const { catalog, ownerSync, clock, onStep } = this.#deps;
    const { name, user } = entry.row;
    const { directory } = entry.runner.spec;
    let swap: Swap | null = null;
    await entry.runner.maintain(
      async (signal) => {
        this.#note(name, { stage: 'exchanging' });
        await this.#requireNoRollout(name);
        signal.throwIfAborted();
        // It may have changed since the test.
        await ownerSync.readAccount(user);
        swap = await beginSwap(directory, id, { now: clock.now(), isOwner });
        onStep('swapping', name);
        moveData(directory, swap, {
          adjust: (dataDir) => catalog.adjustCopy(entry, dataDir),
          onMoved: () => onStep('moved', name),
        });
        onStep('swapped', name);
        await endSwap(directory);
        await endArchive(catalog.archived, { name, directory });
        onStep('ended', name);
      },
      { code: 'requested', message: `restoring the backup ${id}` },
    );
    if (swap === null) throw new Error(`the restore of ${name} ended without a swap`);
    return swap;
  }

  /** Starts it if it should run, so that the caller learns whether it does. */
  async #start({ row, runner }: CatalogEntry, keptIn: string | null) {
    const { fleet } = this.#deps;
    const { name } = row;
    this.#note(name, { stage: 'starting' });
    if (row.desired !== 'running') return runner.state.view();
    try {
      if (runner.state.phase === 'asleep') return await fleet.wake(name, 'command');
      return await fleet.start(name, { force: true });
    } catch (error) {
      const kept = keptIn === null ? '' : `; its data from before is in ${keptIn}`;
      throw new FathomError(
        'instance.failed',
        `${name} is restored, but does not start: ${messageOf(error)}${kept}`,
        { cause: error },
      );
    }
  }

  /**
   * Finishes or undoes restores of an earlier daemon. Call it before instances start.
   *
   * @param found processes of an earlier daemon
   * @param leftovers of that daemon
   * @returns those that the instances can take over
   */
  async recover(found: readonly FoundProcess[], leftovers: Leftovers): Promise<FoundProcess[]> {
    const ended = new Set<FoundProcess>();
    for (const entry of this.#deps.catalog.entries()) {
      const { directory, name } = entry.runner.spec;
      if (!leftovers.has(restoreDirOf(directory))) continue;
      for (const process of found.filter(({ instance }) => instance === name))
        if (process.dataDir === dataDirOf(restoreDirOf(directory)) || (await readSwap(directory)) !== null) {
          await this.#deps.fleet.endFound(process);
          ended.add(process);
        }
      await this.#finish(entry);
    }
    return found.filter((process) => !ended.has(process));
  }

  async #finish(entry: CatalogEntry): Promise<void> {
    const { catalog, log } = this.#deps;
    const { directory, name } = entry.runner.spec;
    try {
      const swap = await readSwap(directory);
      if (swap === null) {
        await removeRestore(directory);
        await this.ended.add(name, 'latest', UNDONE);
        log.warn({ instance: name }, 'undid a restore that an earlier daemon did not end');
        return;
      }
      // Every start updates the account, if it is not known yet.
      moveData(directory, swap, {
        adjust: (dataDir) => catalog.adjustCopy(entry, dataDir),
        onMoved: () => {},
      });
      await endSwap(directory);
      await this.ended.add(name, swap.backup, null);
      log.warn(
        { instance: name, backup: swap.backup },
        'finished a restore that an earlier daemon did not end',
      );
    } catch (error) {
      const next = 'correct the cause, then restart the daemon';
      log.error({ err: error, instance: name }, `cannot finish a restore: ${messageOf(error)}; ${next}`);
    }
  }

  /** Ends restores that have not swapped the data yet. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#deps.processes.close();
    await this.#deps.thread.close();
  }
}
