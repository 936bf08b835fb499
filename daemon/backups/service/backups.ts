import { join } from 'node:path';
import { backoffMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/errors.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { BackupConfig, WrittenSettings } from '../../config/backups.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { CONTROL_PLANE } from '../manifest.ts';
import { BackupFailed, BackupProcesses, failed, isOfSpace, shownFailureOf } from '../run/backup-processes.ts';
import type { BackupResults } from '../run/backup-work.ts';
import type { BackupHost } from './backup-host.ts';
import { BackupState, type DatabaseState, type UnusableKey } from './backup-state.ts';
import { changeStamp, createdAt, findUnreadable } from './change-stamp.ts';
import { DueTimes, type Run } from './due-times.ts';
import { PreparedTarget } from './prepared-target.ts';
import { Proofs } from './proofs.ts';

/** Longest wait between two looks for databases that are due. */
const LOOK_EVERY_MS = 30_000;
/** Unchanged databases that are confirmed before other work of the daemon goes on. */
const CONFIRM_AT_ONCE = 200;
const RETRY = { baseMs: 60_000, capMs: 3_600_000 };
/** After this time, a database tries a target that failed. One that has not failed yet is the first. */
const HOLD_CAP_MS = 300_000;
/** A time in the future beyond this is one of a clock that was wrong. */
const CLOCK_TOLERANCE_MS = 300_000;

/** What is backed up: the control plane or a user database. */
export interface BackupSubject {
  name: string;
  /** `pb_data` */
  dataDir: string;
}

export interface BackupsDeps {
  config: BackupConfig;
  /** FATHOM_DATA_DIR */
  hostDir: string;
  /** The identity of this host. */
  readHost: () => Promise<BackupHost>;
  subjects: () => Iterable<BackupSubject>;
  find: (name: string) => BackupSubject | null;
  /** The backup that has the files of an archived database; null for others. */
  archivedIn: (name: string) => NonNullable<DatabaseState['last']> | null;
  /** @throws BackupFailed when it is not known which backup a database needs */
  requirePrunable: (name: string) => void;
  masters: MasterKeys;
  /** Reads the public half of the recovery key; null without one. */
  readRecoveryKey: () => Promise<string | null>;
  settings: { readonly written: WrittenSettings };
  /** How many backups by the owner of a database are kept; null for all. */
  ownBackups: (database: string) => Promise<number | null>;
  /** The disk of the host is nearly full. */
  isDiskHeld: () => boolean;
  /** What backups leave free on the disk of the host, in bytes. */
  spareBytes: () => number;
  clock: Clock;
  log: Logger;
}

/** A backup that was made, or the last one when nothing has changed. */
export type BackupOutcome =
  | { result: 'made'; backup: BackupResults['backup'] }
  | { result: 'unchanged'; backup: NonNullable<DatabaseState['last']> };

/**
 * Backs up databases at the times of BACKUP_SCHEDULE and on demand. It compares what is due with what was done, so a run that
 * the host or the daemon missed is made up for, and one that failed is tried again:
 *
 *   due ──▶ unchanged                          confirmed
 *    ▲  └─▶ copied, checked, stored            confirmed
 *    │  └─▶ failed ─▶ waits, longer each time ─▶ due
 *    └────── the next time of the schedule ◀── confirmed
 *
 * While the target fails, only one database at a time tries it.
 */
export class Backups {
  readonly #deps: BackupsDeps;
  readonly #state: BackupState;
  readonly #processes: BackupProcesses;
  readonly #times: DueTimes | null;
  readonly #perDatabase = new KeyedMutex();
  readonly #active = new Set<string>();
  /** Backups that are read. */
  readonly #held = new Set<{ database: string; id: string }>();
  readonly #prepared: PreparedTarget;
  /** What drills have shown. */
  readonly proofs: Proofs;
  /** When databases without a backup were created, so that their files are not asked again and again. */
  readonly #createdAt = new Map<string, Date>();
  readonly #counts = { made: 0, unchanged: 0, failed: 0, storedBytes: 0 };
  #queue: BackupSubject[] = [];
  /** Until when no database tries a target that failed. */
  #heldUntil: Date | null = null;
  #loop: Loop | null = null;
  #isStopping = false;

  private constructor(deps: BackupsDeps, state: BackupState) {
    this.#deps = deps;
    this.#state = state;
    this.#processes = new BackupProcesses(deps.config.parallel);
    this.#times = deps.config.schedule && new DueTimes(deps.config.schedule);
    const { target: url } = deps.config;
    const common = { state, processes: this.#processes, settings: deps.settings, clock: deps.clock };
    this.#prepared = new PreparedTarget({ ...deps, ...common, url });
    this.proofs = new Proofs({ ...common, prepared: this.#prepared });
  }

  static async create(deps: BackupsDeps): Promise<Backups> {
    const path = join(deps.hostDir, 'backup-state.json');
    return new Backups(deps, await BackupState.read(path, deps.config.target, deps.log));
  }

  /** Removes what a daemon that was killed left. Call it before the first backup, when all databases are known. */
  async load(): Promise<void> {
    await removeTree(join(this.#deps.hostDir, SCRATCH));
    this.#state.keepOnly(new Set([...this.#deps.subjects()].map(({ name }) => name)));
    await this.#prepared.load();
  }

  /** Makes backups at the times of the schedule. */
  start(): void {
    this.#loop = startLoop(this.#deps.clock, async () => this.#pass());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#loop?.stop();
    await this.#processes.close();
    await this.#state.settled();
  }

  get counts(): Readonly<{ made: number; unchanged: number; failed: number; storedBytes: number }> {
    return this.#counts;
  }

  get hasRecoveryKey(): boolean | null {
    return this.#prepared.hasRecoveryKey;
  }

  /** Keys of backups that are damaged, or of another host. */
  get unusableKeys(): readonly UnusableKey[] {
    return this.#state.unusableKeys;
  }

  isRunning(name: string): boolean {
    return this.#active.has(name);
  }

  get running(): number {
    return this.#active.size;
  }

  stateOf(name: string): DatabaseState {
    return this.#state.of(name);
  }

  /** The next time of the schedule, and the age above which a backup is late; null without a schedule. */
  get schedule(): { nextAt: Date; lateAfterMs: number } | null {
    const run = this.#times?.runAt(this.#deps.clock.now()) ?? null;
    return run && this.#times ? { nextAt: run.next, lateAfterMs: this.#times.lateAfterMs(run) } : null;
  }

  /** When a database was last known to be backed up; its creation before the first backup. Null without data. */
  coveredSince(subject: BackupSubject): Date | null {
    if (this.#deps.archivedIn(subject.name) !== null) return this.#deps.clock.now();
    return this.#confirmedAt(subject.name) ?? this.#createdAtOf(subject);
  }

  #createdAtOf({ name, dataDir }: BackupSubject): Date | null {
    const at = this.#createdAt.get(name) ?? createdAt(dataDir);
    if (at) this.#createdAt.set(name, at);
    return at;
  }

  /**
   * Backs up a database now.
   *
   * @param options.onlyChanged makes no backup when nothing has changed since the last one
   * @param options.isUrgent does it before the backups of the schedule
   * @param options.isOwn the owner makes it: then others are pruned, and it is one of those that are kept for the owner
   * @throws BackupFailed
   */
  async create(
    subject: BackupSubject,
    {
      onlyChanged = false,
      isUrgent = true,
      isOwn = false,
    }: { onlyChanged?: boolean; isUrgent?: boolean; isOwn?: boolean } = {},
  ): Promise<BackupOutcome> {
    return this.#perDatabase.run(subject.name, async () => {
      const archived = this.#deps.archivedIn(subject.name);
      if (archived !== null) return { result: 'unchanged', backup: archived };
      if (onlyChanged) {
        const last = this.#confirmUnchanged(subject);
        if (last) return { result: 'unchanged', backup: last };
      }
      const backup = await this.#backUp(subject, { isUrgent });
      if (isOwn) {
        const { name } = subject;
        this.#state.update(name, { own: [...this.#state.of(name).own, backup.id] });
        await this.#pruneScheduled(name);
      }
      return { result: 'made', backup };
    });
  }

  /**
   * Keeps a backup from being pruned while it is read. Call it in the turn of the database, see `inTurn`.
   *
   * @returns what ends this
   */
  hold = (database: string, id: string): (() => void) => {
    const held = { database, id };
    this.#held.add(held);
    return () => this.#held.delete(held);
  };

  /** Why databases are not backed up before changes; null when they are. */
  get skipsChanges(): string | null {
    const { beforeChanges, schedule } = this.#deps.config;
    if (!beforeChanges) return 'BACKUP_BEFORE_CHANGES is off';
    return schedule === null ? 'BACKUP_SCHEDULE is off' : null;
  }

  /** Backs up a database that is about to be changed, unless its last backup is current. @throws BackupFailed */
  async backUpBeforeChange(name: string): Promise<void> {
    const subject = this.#deps.find(name);
    if (subject) await this.create(subject, { onlyChanged: true });
  }

  /** Runs work between two backups of a database. */
  inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> => this.#perDatabase.run(name, work);

  /** The backups of a database on the target, the newest first. @throws BackupFailed */
  async list(
    database: string,
    { isUrgent = true }: { isUrgent?: boolean } = {},
  ): Promise<BackupResults['list']> {
    const { target } = this.#deps.config;
    const listed = await this.#processes.run({ kind: 'list', target, database }, { isUrgent });
    if (listed.length === 0) await this.proofs.requireUsedTarget();
    const known = this.#state.of(database).damaged;
    return listed.map((one) => ({ ...one, damaged: one.damaged || known.includes(one.id) }));
  }

  /**
   * Removes backups of a database that BACKUP_KEEP does not keep, between two backups of it.
   *
   * @throws BackupFailed
   */
  async prune(name: string, { isDryRun }: { isDryRun: boolean }): Promise<BackupResults['prune']> {
    return this.#perDatabase.run(name, () => this.#prune(name, { isDryRun, isUrgent: true }));
  }

  /**
   * Reads every part of backups of a database. What is damaged is stored again by the next backup, if the database still
   * has it.
   *
   * @param ids empty for all
   * @throws BackupFailed
   */
  async verify(name: string, ids: readonly string[]): Promise<BackupResults['verify']> {
    return this.#perDatabase.run(name, async () => {
      const { keys, place } = await this.#prepared.use();
      const { masters } = keys;
      const verified = await this.#processes.run({ kind: 'verify', ...place, database: name, masters, ids });
      const isDamaged = new Map(verified.map(({ id, state }) => [id, state === 'damaged']));
      const others = this.#state.of(name).damaged.filter((id) => !isDamaged.has(id));
      const damaged = [...others, ...verified.map(({ id }) => id).filter((id) => isDamaged.get(id))];
      const isAnyDamaged = verified.some(({ state }) => state === 'damaged');
      this.#state.update(name, { damaged, ...(isAnyDamaged && { stamp: null, confirmed_at: null }) });
      return verified;
    });
  }

  /**
   * Erases all backups of a database that was erased, between two backups of it.
   *
   * @param account the account was erased as well
   * @throws BackupFailed
   */
  async erase(database: string, account: boolean): Promise<void> {
    await this.#perDatabase.run(database, async () => {
      const { config, clock } = this.#deps;
      const { target } = config;
      // A target that was never used has no backups, and gets no mark.
      const isUsed =
        this.#state.targetId !== null || (await this.#processes.run({ kind: 'is-used', target }));
      if (isUsed) {
        const { place } = await this.#prepared.use();
        await this.#processes.run({ kind: 'erase', ...place, database, account, at: clock.now() });
      }
      this.#state.forget(database);
    });
  }

  /** Uses the target as it is, also when it is not the one of the last backup. */
  acceptTarget(): void {
    this.#state.forgetTarget();
    this.#processes.endIdle();
    this.#prepared.forget();
    this.#heldUntil = null;
    this.#loop?.wake();
  }

  /** Wraps the keys of all backups for another recovery key, and stores the escrow for it. @throws BackupFailed */
  useRecoveryKey(): Promise<void> {
    return this.#prepared.useRecoveryKey();
  }

  /** Starts what is due. @returns milliseconds until the next look */
  #pass(): number {
    const now = this.#deps.clock.now();
    const run = this.#times?.runAt(now) ?? null;
    if (run === null) return LOOK_EVERY_MS;
    if (this.#queue.length === 0) this.#queue = this.#findDue(now, run);
    let confirmed = 0;
    while (this.#active.size < this.#limitAt(now)) {
      const subject = this.#queue.shift();
      if (!subject) break;
      if (!this.#isDue(subject, now, run)) continue;
      if (this.#confirmUnchanged(subject)) {
        confirmed += 1;
        if (confirmed >= CONFIRM_AT_ONCE) return 0;
      } else void this.#backUpScheduled(subject);
    }
    return LOOK_EVERY_MS;
  }

  /** How many backups may run. */
  #limitAt(now: Date): number {
    if (this.#isStopping) return 0;
    if (this.#heldUntil === null) return this.#deps.config.parallel;
    return this.#heldUntil > now ? 0 : 1;
  }

  #findDue(now: Date, run: Run): BackupSubject[] {
    const times = this.#times;
    if (!times) return [];
    const subjects = [...this.#deps.subjects()];
    // Those of databases that were deleted.
    if (this.#createdAt.size > subjects.length) this.#createdAt.clear();
    return (
      subjects
        .filter((subject) => this.#isDue(subject, now, run))
        .map((subject) => ({
          subject,
          retryAt: Date.parse(this.#state.of(subject.name).failure?.retry_at ?? '') || 0,
          at: times.dueIn(run, subject.name).getTime(),
        }))
        // One that fails again and again is behind the others, so that it does not hold them up.
        .toSorted((a, b) => a.retryAt - b.retryAt || a.at - b.at)
        .map(({ subject }) => subject)
    );
  }

  #isDue(subject: BackupSubject, now: Date, run: Run): boolean {
    const { name } = subject;
    if (this.#active.has(name)) return false;
    const { failure } = this.#state.of(name);
    if (failure) {
      const retryAt = Date.parse(failure.retry_at);
      const isWaiting = retryAt > now.getTime() && retryAt <= now.getTime() + RETRY.capMs;
      return !isWaiting;
    }
    const dueAt = this.#times?.dueIn(run, name);
    if (dueAt === undefined || now < dueAt) return false;
    const covered = this.coveredSince(subject);
    // A backup that fails names the problem.
    return covered === null ? findUnreadable(subject.dataDir) !== null : covered < dueAt;
  }

  async #backUpScheduled(subject: BackupSubject): Promise<void> {
    this.#active.add(subject.name);
    try {
      await this.#perDatabase.run(subject.name, async () => {
        await this.#backUp(subject, { isUrgent: false });
        await this.#pruneScheduled(subject.name);
      });
    } catch (error) {
      // A failure was noted already.
      if (!(error instanceof BackupFailed)) this.#deps.log.error({ err: error }, 'a backup failed');
    } finally {
      this.#active.delete(subject.name);
      this.#loop?.wake();
    }
  }

  /** Returns the last backup if nothing has changed since, and notes that it is current. */
  #confirmUnchanged({ name, dataDir }: BackupSubject): DatabaseState['last'] {
    const { last, stamp, failure } = this.#state.of(name);
    if (last === null || stamp === null || failure !== null) return null;
    const now = this.#deps.clock.now();
    if (changeStamp(dataDir, now)?.stamp !== stamp) return null;
    this.#state.update(name, { confirmed_at: now.toISOString() });
    this.#counts.unchanged += 1;
    return last;
  }

  async #backUp(
    subject: BackupSubject,
    { isUrgent }: { isUrgent: boolean },
  ): Promise<BackupResults['backup']> {
    const { hostDir, settings, isDiskHeld, spareBytes, clock, log } = this.#deps;
    const { name, dataDir } = subject;
    try {
      const at = clock.now();
      const before = changeStamp(dataDir, at);
      if (before === null)
        throw failed('failed', findUnreadable(dataDir) ?? `${join(dataDir, 'data.db')} is missing`);
      if (isDiskHeld()) throw failed('disk_full', 'the disk of FATHOM_DATA_DIR is nearly full');
      const { keys, place } = await this.#prepared.use();
      const source = {
        database: name,
        dataDir,
        scratchDir: join(hostDir, SCRATCH, name),
        ...(name === CONTROL_PLANE && { controlPlane: { hostDir, settings: settings.written.open } }),
      };
      const reserve = { directory: hostDir, bytes: spareBytes() };
      const made = await this.#processes.run(
        { kind: 'backup', ...place, keys, source, at, reserve },
        { isUrgent },
      );
      const { stored_chunks: _chunks, ...last } = made;
      this.#state.update(name, {
        stamp: before.isRecent ? null : before.stamp,
        confirmed_at: at.toISOString(),
        last,
        backed_up_since: this.#state.of(name).backed_up_since ?? at.toISOString(),
        failure: null,
      });
      this.#state.noteUsableKey(name);
      this.#prepared.noteUse(keys);
      this.#heldUntil = null;
      this.#counts.made += 1;
      this.#counts.storedBytes += made.stored_bytes;
      log.debug({ database: name, id: made.id, stored: made.stored_bytes }, 'made a backup');
      return made;
    } catch (error) {
      this.#noteFailure(name, error);
      // Retention goes on, and what was stored until now goes, so that there is space.
      if (isOfSpace(error)) await this.#pruneScheduled(name);
      throw error;
    }
  }

  async #prune(
    name: string,
    { isDryRun, isUrgent }: { isDryRun: boolean; isUrgent: boolean },
  ): Promise<BackupResults['prune']> {
    this.#deps.requirePrunable(name);
    const { keys, place } = await this.#prepared.use();
    const { keep: rule, schedule } = this.#deps.config;
    const timezone = schedule?.timezone ?? 'UTC';
    const { damaged, own, proven } = this.#state.of(name);
    const most = own.length === 0 ? 0 : await this.#deps.ownBackups(name);
    const held = [...this.#held].filter(({ database }) => database === name).map(({ id }) => id);
    const kept = most === null ? own : own.slice(Math.max(0, own.length - most));
    const needed = [this.#deps.archivedIn(name)?.id, proven?.backup].filter((id) => id !== undefined);
    const pinned = [...kept, ...held, ...needed];
    const { masters } = keys;
    const pruned = await this.#processes.run(
      { kind: 'prune', ...place, database: name, masters, rule, timezone, damaged, pinned, isDryRun },
      { isUrgent },
    );
    if (!isDryRun && own.length > 0)
      this.#state.update(name, { own: own.filter((id) => !pruned.removed.includes(id)) });
    return pruned;
  }

  /** The backup was made, so a failure is logged only. The next run tries again. */
  async #pruneScheduled(name: string): Promise<void> {
    try {
      const { unreadable } = await this.#prune(name, { isDryRun: false, isUrgent: false });
      for (const { id, problem } of unreadable)
        this.#deps.log.warn({ database: name, backup: id }, `a backup cannot be read: ${problem}`);
    } catch (error) {
      if (!(error instanceof BackupFailed)) throw error;
      this.#deps.log.error({ database: name, reason: error.reason }, `pruning failed: ${error.message}`);
    }
  }

  #noteFailure(name: string, error: unknown): void {
    const { find, isDiskHeld, clock, log } = this.#deps;
    // The daemon stops, or the database was deleted meanwhile: neither is a failure of the backup.
    if (this.#isStopping || find(name) === null) return;
    const { failure: before } = this.#state.of(name);
    const shown = shownFailureOf(error);
    const { reason } = shown;
    const attempts = (before?.attempts ?? 0) + 1;
    const now = clock.now();
    const waitMs = backoffMs(attempts, RETRY);
    const retryAt = new Date(now.getTime() + waitMs);
    this.#state.update(name, {
      failure: {
        ...shown,
        since: before?.since ?? now.toISOString(),
        attempts,
        retry_at: retryAt.toISOString(),
      },
    });
    this.#counts.failed += 1;
    // A copy of one database may need more space than the disk has, while the others have enough.
    if (reason.startsWith('target_') || (reason === 'disk_full' && isDiskHeld())) {
      this.#heldUntil = new Date(now.getTime() + Math.min(waitMs, HOLD_CAP_MS));
      this.#prepared.forget();
      this.#queue = [];
    }
    // The same problem is logged once, not with every retry.
    if (before?.message !== shown.message)
      log.error({ database: name, reason }, `the backup of ${name} failed: ${messageOf(error)}`);
  }

  /** Null before the first backup, and for a time of a clock that was wrong. */
  #confirmedAt(name: string): Date | null {
    const { confirmed_at } = this.#state.of(name);
    if (confirmed_at === null) return null;
    const at = new Date(confirmed_at);
    return at.getTime() > this.#deps.clock.now().getTime() + CLOCK_TOLERANCE_MS ? null : at;
  }
}

/** The directory of copies, below FATHOM_DATA_DIR. */
export const SCRATCH = 'backup-scratch';
