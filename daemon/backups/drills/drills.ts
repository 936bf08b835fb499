import type { DrillProgress } from '../../../shared/api/backups.ts';
import type { Drill } from '../../../shared/api/drills.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { BackupSchedule } from '../../config/backups.ts';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import { removeCopies } from '../../rollouts/remove-copies.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { drillDirOf } from '../../supervisor/instance-spec.ts';
import type { Leftovers } from '../../supervisor/start/leftovers.ts';
import { CONTROL_PLANE } from '../manifest.ts';
import type { Backups } from '../service/backups.ts';
import { DueTimes } from '../service/due-times.ts';
import { chooseDrill, type DrillCandidate } from './choose-drill.ts';
import { type DrillSubject, DrillUndecided, type ProveDeps, proveBackup } from './prove-backup.ts';

const LOOK_EVERY_MS = 60_000;
/** After a drill that could not be made, such as while the target is away. */
const RETRY_MS = 3_600_000;

export interface DrillsDeps extends ProveDeps {
  backups: Backups;
  /** BACKUP_DRILLS; null when they are off. */
  schedule: BackupSchedule | null;
  /** The control plane included. */
  names: () => Iterable<string>;
  /** Null for a database that was deleted, or that is being created or deleted. */
  find: (name: string) => Omit<DrillSubject, 'isUnchanged' | 'lastBackup' | 'onProgress'> | null;
  /** The directories of all instances. */
  directories: () => Iterable<string>;
  fleet: Pick<Fleet, 'endFound'>;
  /** The disk of the host is nearly full. */
  isDiskHeld: () => boolean;
}

/**
 * Proves backups: each is restored beside its database, started and tested. One at a time, a part of all databases in each run of
 * the schedule.
 */
export class Drills {
  readonly #deps: DrillsDeps;
  readonly #times: DueTimes | null;
  readonly #turn = new KeyedMutex();
  readonly #stopped = new AbortController();
  /** Until when a database is not tried again, by the clock of the process. */
  readonly #retryAt = new Map<string, number>();
  readonly #active = new Map<string, DrillProgress>();
  #running: string | null = null;
  #loop: Loop | null = null;

  constructor(deps: DrillsDeps) {
    this.#deps = deps;
    this.#times = deps.schedule && new DueTimes(deps.schedule);
  }

  /** Call it when all databases are known. */
  start(): void {
    if (this.#times === null) return;
    this.#deps.backups.proofs.begin();
    this.#loop = startLoop(this.#deps.clock, () => this.#pass());
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#deps.processes.close();
    await this.#deps.thread.close();
    await this.#loop?.stop();
    await this.#turn.run('drill', () => Promise.resolve());
  }

  /** The name of the database that is restored now; null without one. */
  get running(): string | null {
    return this.#running;
  }

  /** The drill of a database in progress, or that waits for its turn; null without one. */
  progressOf(name: string): DrillProgress | null {
    return this.#active.get(name) ?? null;
  }

  /** The next time of the schedule; null without one. */
  get nextAt(): Date | null {
    return this.#times?.runAt(this.#deps.clock.now())?.next ?? null;
  }

  /**
   * Proves the last backup of a database now, after the drill in progress.
   *
   * @throws FathomError `not_found`; `conflict` without a backup, `backup.failed` when the drill says nothing about it
   */
  async drill(name: string): Promise<Drill> {
    try {
      return await this.#drillInTurn(name);
    } catch (error) {
      if (!(error instanceof DrillUndecided)) throw error;
      throw new FathomError('backup.failed', `${name} had no drill: ${error.message}`, { cause: error });
    }
  }

  async #drillInTurn(name: string): Promise<Drill> {
    const since = this.#deps.clock.now().toISOString();
    const waiting: DrillProgress = { stage: 'waiting', bytes: 0, read_bytes: 0, since };
    if (!this.#active.has(name)) this.#active.set(name, waiting);
    return this.#turn.run('drill', async () => {
      try {
        return await this.#drill(name);
      } finally {
        this.#active.delete(name);
      }
    });
  }

  async #drill(name: string): Promise<Drill> {
    const { backups, clock, isDiskHeld, log } = this.#deps;
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    const found = this.#deps.find(name);
    if (found === null) throw new FathomError('not_found', `there is no database '${name}'`);
    const lastBackup = backups.stateOf(name).last?.id;
    if (lastBackup === undefined)
      throw new FathomError('conflict', `${name} has no backup yet; run 'fathomd backups create ${name}'`);
    if (isDiskHeld()) throw new DrillUndecided('the disk of FATHOM_DATA_DIR is nearly full');
    await this.#requireTarget();
    const isUnchanged = (id: string) => backups.proofs.isUnchanged(found, id);
    const begun = clock.monotonic();
    let progress: DrillProgress = {
      stage: 'reading',
      bytes: 0,
      read_bytes: 0,
      since: clock.now().toISOString(),
    };
    const onProgress: DrillSubject['onProgress'] = (change) => {
      progress = { ...progress, ...change };
      this.#active.set(name, progress);
    };
    onProgress({});
    const subject: DrillSubject = { ...found, lastBackup, isUnchanged, onProgress };
    this.#running = name;
    try {
      const proof = await proveBackup(subject, drillDirOf(found.spec.directory), this.#deps, signal);
      if (proof.problem !== null) {
        // A start on a full disk fails with any backup, and a target that was unmounted has none.
        if (isDiskHeld()) throw new DrillUndecided(proof.problem);
        await this.#requireTarget();
      }
      const at = clock.now().toISOString();
      const { backup, problem } = proof;
      backups.proofs.note(name, { backup, at, problem });
      if (problem === null) log.info({ database: name, backup }, 'proved a backup');
      else {
        log.error({ database: name, backup }, `the drill of ${name} failed: ${problem}`);
        await this.#findDamage(name, backup);
      }
      return { database: name, at, seconds: Math.round((clock.monotonic() - begun) / 1000), ...proof };
    } finally {
      this.#running = null;
      // It was deleted meanwhile, and its directory was created again.
      if (this.#deps.find(name) === null) await removeTree(found.spec.directory);
    }
  }

  async #requireTarget(): Promise<void> {
    try {
      await this.#deps.backups.proofs.requireTarget();
    } catch (error) {
      throw new DrillUndecided(messageOf(error), { cause: error });
    }
  }

  /** Notes what is damaged, so that the next backup stores it again. */
  async #findDamage(name: string, backup: string): Promise<void> {
    try {
      await this.#deps.backups.verify(name, [backup]);
    } catch (error) {
      this.#deps.log.warn({ database: name, backup }, `cannot verify the backup: ${messageOf(error)}`);
    }
  }

  /** Makes the drills that are due, one after the other. @returns milliseconds until the next look */
  async #pass(): Promise<number> {
    const { backups, clock, log } = this.#deps;
    const run = this.#times?.runAt(clock.now()) ?? null;
    const { since } = backups.proofs;
    // A host that is new has its first drills at the next time of the schedule.
    if (run === null || since === null || run.start < since) return LOOK_EVERY_MS;
    const name = chooseDrill(this.#candidates(), run);
    if (name === null || this.#stopped.signal.aborted) return LOOK_EVERY_MS;
    try {
      await this.#drillInTurn(name);
      if (name === CONTROL_PLANE) await backups.proofs.checkEscrow();
    } catch (error) {
      if (this.#stopped.signal.aborted) return LOOK_EVERY_MS;
      this.#retryAt.set(name, clock.monotonic() + RETRY_MS);
      log.warn({ database: name }, `${name} had no drill, and is tried again: ${messageOf(error)}`);
    }
    return 0;
  }

  #candidates(): DrillCandidate[] {
    const { names, backups, clock } = this.#deps;
    const now = clock.monotonic();
    const isWaiting = (name: string) => (this.#retryAt.get(name) ?? 0) > now;
    return [...names()].flatMap((name) => {
      const { last, drill } = backups.stateOf(name);
      if (last === null || isWaiting(name)) return [];
      const at = drill && new Date(drill.at);
      return [{ name, at, isFailed: (drill?.problem ?? null) !== null, isAlways: name === CONTROL_PLANE }];
    });
  }

  /**
   * Ends drills of an earlier daemon. Call it before instances start.
   *
   * @param found processes of an earlier daemon
   * @param leftovers of that daemon
   * @returns those that the instances can take over
   */
  async recover(found: readonly FoundProcess[], leftovers: Leftovers): Promise<FoundProcess[]> {
    const { directories, fleet } = this.#deps;
    const copies = Array.from(directories(), drillDirOf).filter((copy) => leftovers.has(copy));
    const ended = await removeCopies(copies, found, fleet);
    return found.filter((process) => !ended.has(process));
  }
}
