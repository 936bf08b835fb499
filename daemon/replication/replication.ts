import type { ReplicaStatus } from '../../shared/api/backup-status.ts';
import type { ReplicaTimes } from '../../shared/api/replicas.ts';
import { backoffMs } from '../../shared/backoff.ts';
import { messageOf } from '../../shared/errors.ts';
import type { InstancePhase } from '../../shared/instance.ts';
import { BackupProcesses } from '../backups/run/backup-processes.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Loop, startLoop } from '../base/time/repeat.ts';
import type { ReplicaConfig } from '../config/replica.ts';
import { requireRegularFiles } from '../pocketbase/data/sqlite.ts';
import {
  type CheckedReplica,
  isLate,
  type Lag,
  lagOf,
  problemOfGaps,
  problemOfLag,
  problemOfRefusals,
  REACH_TARGET,
  ReplicaChecks,
  worstOf,
} from './check-replica.ts';
import { Refused, type ReplicatedDatabase } from './control-socket.ts';
import { readLitestream } from './litestream-binary.ts';
import { replicaPrefix, replicaUrl } from './litestream-config.ts';
import { endFormerProcesses, LitestreamProcess, type ProcessEnd } from './litestream-process.ts';
import { RELEASED, ReachedTimes, untilReached } from './reached-times.ts';
import { type ReplicaOwner, ReplicaPaths } from './replica-paths.ts';
import { ReplicaReader } from './replica-reader.ts';
import { prepareTarget, removeEmptyDirectory, requirePresent, wasUsed } from './replica-target.ts';
import { type Beginning, Continuity } from './state/continuity.ts';
import { fileOf, isLocalDamage, removeLocalState } from './state/local-state.ts';

const LOOK_EVERY_MS = 1_000;
const BACKOFF = { baseMs: 1_000, capMs: 300_000 };
/** After so long a run, the back-off begins again, and an earlier end is no problem any more. */
const STABLE_MS = 60_000;
const MAX_SILENT = 3;
/** After so long without a sync, the log may say that its state is damaged. */
const STUCK_S = 5;
/** A replica is checked after its registration. */
const FIRST_CHECK_MS = 10_000;
/** Every attempt stores the whole database. */
const BEGIN_AGAIN_EVERY_MS = 3_600_000;
const RUNS_AGAIN = 'it runs again, and this is shown for a minute; what was written meanwhile is replicated';

/** Phases in which the files are replicated. In `RELEASED`, they are not; in others, it stays as it is. */
const REPLICATED: ReadonlySet<InstancePhase> = new Set(['running', 'unresponsive']);

export interface ReplicationDeps {
  /** Without a target, nothing runs. */
  config: ReplicaConfig;
  dataDir: string;
  /** Null for a single server. */
  cluster: ReplicaOwner | null;
  clock: Clock;
  log: Logger;
}

/** A user database that the fleet knows. */
export interface ReplicationSubject {
  name: string;
  directory: string;
  phase: () => InstancePhase;
}

interface Registered extends Beginning, CheckedReplica {
  directory: string;
  /** Its path below the target. */
  replica: string;
  at: Date;
}

/**
 * Replicates the user databases that run, with one process of Litestream.
 *
 *   not registered ──▶ registered (running, or between two processes) ──▶ released (stopped, asleep, failed, its files are moved)
 *
 * Litestream that ends is started again with a back-off, and everything that runs is registered again. A file that cannot be
 * released ends Litestream, so that it never holds one that is moved or removed.
 */
export class Replication {
  readonly #deps: ReplicationDeps;
  readonly #perFile = new KeyedMutex();
  /** By the path of `data.db`. */
  readonly #registered = new Map<string, Registered>();
  readonly #reached = new ReachedTimes();
  /** Why databases are not registered, by the path of `data.db`. */
  readonly #refused = new Map<string, string>();
  readonly #erasures = new BackupProcesses(1);
  readonly #reader: ReplicaReader;
  readonly #checks: ReplicaChecks<Registered>;
  readonly paths: ReplicaPaths;
  #subjects: () => Iterable<ReplicationSubject> = () => [];
  #process: LitestreamProcess | null = null;
  #version: string | null = null;
  #startedAt = 0;
  #retryAt = 0;
  #failures = 0;
  #silent = 0;
  #restarts = 0;
  /** Why it does not run, or why it has ended before. */
  #failure: { text: string; remedy: string; ended: boolean } | null = null;
  /** Of a replica that is late. */
  #lastError: string | null = null;
  /** Id of the replica in the target. */
  #replica = '';
  readonly #continuity = new Continuity();
  /** When the replica of a `data.db` was begun again. */
  readonly #begunAgain = new Map<string, number>();
  #loop: Loop | null = null;

  constructor(deps: ReplicationDeps) {
    this.#deps = deps;
    this.paths = new ReplicaPaths(deps);
    this.#reader = new ReplicaReader(deps, this.paths);
    this.#checks = new ReplicaChecks(deps, {
      pathOf: ({ name }) => this.paths.of(name),
      onEmpty: (path, registered) =>
        this.#beginAgain(path, registered, 'its replica was removed', { erase: true }),
    });
  }

  /** Ends the Litestream of a daemon that was killed. Call it before files of databases are moved. */
  async endFormer(): Promise<void> {
    await endFormerProcesses(this.#deps.dataDir, this.#deps);
  }

  /** @param subjects the user databases */
  start(subjects: () => Iterable<ReplicationSubject>): void {
    if (this.#deps.config.target === null) return;
    this.#subjects = subjects;
    this.#loop = startLoop(this.#deps.clock, () => this.#pass());
  }

  /** Ends Litestream, which sends what is left. Call it after the databases have ended. */
  async stop(): Promise<void> {
    this.#reader.stop();
    await this.#loop?.stop();
    const process = this.#process;
    this.#process = null;
    await process?.stop(this.#deps.clock);
    await this.#erasures.close();
  }

  /** Ends the replication of a database whose files are moved or removed, or which has no process. Never rejects. */
  release = async (directory: string): Promise<void> => {
    const path = fileOf(directory);
    // Without REPLICA, and for copies.
    if (this.#deps.config.target === null) return;
    await this.#perFile.run(path, () => this.#release(path));
  };

  /**
   * Removes the replica of a database that was erased. Nothing is removed without REPLICA.
   *
   * @throws BackupFailed, or an Error for a directory that is not mounted
   */
  async erase(name: string): Promise<void> {
    const { target } = this.#deps.config;
    if (target === null || !(await wasUsed(target, this.#deps.dataDir))) return;
    const host = await this.paths.host();
    await requirePresent(target, host);
    await this.#erasures.run({ kind: 'erase-replica', target, prefix: replicaPrefix(host, name) });
  }

  /** Restores the last state of a replica, also one of another host. @param path below the target @param file must not exist */
  restoreLast: ReplicaReader['restoreLast'] = (...wanted) => this.#reader.restoreLast(...wanted);

  /** @see ReplicaReader.restore */
  restore: ReplicaReader['restore'] = (...wanted) => this.#reader.restore(...wanted);

  /** Waits a little until the replica has everything of before a time. @throws FathomError `conflict` */
  untilReached = (name: string, at: Date, signal: AbortSignal): Promise<void> =>
    this.#deps.config.target === null
      ? Promise.resolve()
      : untilReached({ name, at, signal }, () => this.#lastTime(name), this.#deps.clock);

  /**
   * The times to which a database can be restored.
   *
   * @throws FathomError `conflict`, `backup.failed`
   */
  async times(name: string): Promise<ReplicaTimes> {
    const from = await this.#reader.readFirstTime(name);
    return { from: from?.toISOString() ?? null, to: this.#lastTime(name)?.toISOString() ?? null };
  }

  /** Null while a replica has nothing, and without Litestream. */
  #lastTime(name: string): Date | null {
    const subject = [...this.#subjects()].find((one) => one.name === name);
    const path = subject === undefined ? '' : fileOf(subject.directory);
    const syncedAt = this.#registered.get(path)?.syncedAt ?? null;
    return this.#reached.of(path, subject?.phase() ?? null, syncedAt, this.#deps.clock.now());
  }

  /** The names of databases whose replicas do not have everything, after `stop`. */
  incomplete(): string[] {
    const subjects = [...this.#subjects()];
    return subjects.flatMap(({ name, directory }) =>
      this.#reached.isBehind(fileOf(directory)) ? [name] : [],
    );
  }

  /** Null without REPLICA. @param files of the uploaded files */
  status(files: { problem: string | null }): ReplicaStatus | null {
    const { target } = this.#deps.config;
    if (target === null) return null;
    const refusal = this.#process === null ? null : problemOfRefusals(this.#refused.values());
    const problem =
      refusal ??
      this.#failure ??
      problemOfLag(this.#worst(), this.#lastError) ??
      (files.problem === null ? null : { text: files.problem, remedy: REACH_TARGET }) ??
      problemOfGaps(this.#registered.values());
    return {
      target,
      version: this.#version,
      pid: this.#process?.pid ?? null,
      databases: this.#registered.size,
      lag_seconds: this.#worst()?.seconds ?? (this.#process === null ? null : 0),
      restarts: this.#restarts,
      problem: problem?.text ?? null,
      remedy: problem?.remedy ?? null,
    };
  }

  /** The database that is furthest behind. */
  #worst(): Lag | null {
    return worstOf(this.#registered.values(), this.#deps.clock.now());
  }

  /** @returns milliseconds until the next look */
  async #pass(): Promise<number> {
    const { clock, log } = this.#deps;
    try {
      if (this.#process === null) {
        if (clock.monotonic() >= this.#retryAt) await this.#launch();
      } else {
        await this.#requireTarget(this.#process);
        await this.#reconcile(this.#process);
      }
    } catch (error) {
      log.error({ err: error }, `replication failed: ${messageOf(error)}`);
    }
    return LOOK_EVERY_MS;
  }

  async #launch(): Promise<void> {
    const { config, dataDir, clock, log } = this.#deps;
    const { target } = config;
    if (target === null) return;
    const binary = await readLitestream(config.binaryPath);
    if (!binary.usable)
      return this.#noteFailure({ text: binary.problem, remedy: binary.remedy, ended: false });
    this.#version = binary.version;
    try {
      const host = await this.paths.host();
      this.#replica = await prepareTarget(target, { host, dataDir });
      const started = await LitestreamProcess.start(binary.path, { dataDir, clock });
      this.#process = started;
      this.#startedAt = clock.monotonic();
      this.#silent = 0;
      this.#failure = this.#failure?.ended === true ? { ...this.#failure, remedy: RUNS_AGAIN } : null;
      void started.ended.then((end) => this.#noteEnd(started, end));
      log.info({ pid: started.pid, version: binary.version }, 'Litestream runs');
    } catch (error) {
      this.#noteFailure({
        text: `Litestream cannot start: ${messageOf(error)}`,
        remedy: 'correct the cause; Fathom tries again by itself',
        ended: false,
      });
    }
  }

  #noteEnd(ended: LitestreamProcess, { how, cause }: ProcessEnd): void {
    if (this.#process !== ended) return;
    this.#process = null;
    for (const [path, { syncedAt }] of this.#registered) this.#reached.noteBehind(path, syncedAt);
    this.#registered.clear();
    this.#restarts += 1;
    if (this.#deps.clock.monotonic() - this.#startedAt > STABLE_MS) this.#failures = 0;
    this.#noteFailure({
      text: `Litestream ended (${how})${cause === null ? '' : `: ${cause}`}`,
      remedy: 'Fathom starts it again by itself; until then, changes are not replicated',
      ended: true,
    });
  }

  #noteFailure(failure: { text: string; remedy: string; ended: boolean }): void {
    const { clock, log } = this.#deps;
    this.#failures += 1;
    const delayMs = backoffMs(this.#failures, BACKOFF);
    this.#retryAt = clock.monotonic() + delayMs;
    // The same problem is logged once, not with every retry.
    if (this.#failure?.text !== failure.text) log.error({ retry_ms: delayMs }, failure.text);
    this.#failure = failure;
  }

  /** Litestream would create the directory of a disk that is not mounted any more, and send the next changes there. */
  async #requireTarget(process: LitestreamProcess): Promise<void> {
    const target = this.#deps.config.target ?? '';
    const host = await this.paths.host();
    try {
      await requirePresent(target, host);
    } catch (error) {
      process.kill();
      await process.ended;
      await removeEmptyDirectory(target, host);
      throw error;
    }
  }

  async #reconcile(process: LitestreamProcess): Promise<void> {
    const { clock } = this.#deps;
    if (clock.monotonic() - this.#startedAt > STABLE_MS) [this.#failures, this.#failure] = [0, null];
    await process.limitLog();
    await this.#readList(process);
    const known = new Set<string>();
    for (const subject of this.#subjects()) {
      const path = fileOf(subject.directory);
      known.add(path);
      const isRegistered = this.#registered.has(path);
      if (RELEASED.has(subject.phase())) this.#refused.delete(path);
      if (!isRegistered && REPLICATED.has(subject.phase())) await this.#register(subject, path);
      else if (isRegistered && RELEASED.has(subject.phase())) await this.release(subject.directory);
    }
    for (const path of this.#refused.keys()) if (!known.has(path)) this.#refused.delete(path);
    this.#continuity.keepOnly(known);
    for (const path of this.#registered.keys())
      if (!known.has(path)) await this.#perFile.run(path, () => this.#release(path));
    await this.#repairLocalState(process);
    this.#checks.checkNext(this.#registered);
  }

  /** After a power failure, Litestream repeats one error for ever. */
  async #repairLocalState(process: LitestreamProcess): Promise<void> {
    const now = this.#deps.clock.now();
    const stuck = [...this.#registered].filter(([, registered]) => lagOf(registered, now) > STUCK_S);
    if (stuck.length === 0) return;
    const errors = await process.lastErrors();
    for (const [path, registered] of stuck)
      if (errors.some((line) => isLocalDamage(line, path)))
        await this.#beginAgain(path, registered, 'what Litestream keeps beside it is damaged');
  }

  /** @param options.erase removes what is left of the replica, of which nothing can be restored */
  async #beginAgain(
    path: string,
    registered: Registered,
    why: string,
    { erase = false }: { erase?: boolean } = {},
  ): Promise<void> {
    const now = this.#deps.clock.monotonic();
    const last = this.#begunAgain.get(path);
    if (last !== undefined && now - last < BEGIN_AGAIN_EVERY_MS) return;
    await this.#perFile.run(path, async () => {
      // It may have ended meanwhile.
      if (this.#process === null || this.#registered.get(path) !== registered) return;
      const { name } = registered;
      this.#begunAgain.set(path, now);
      this.#deps.log.warn({ instance: name }, `the whole of ${name} is replicated again: ${why}`);
      await this.#release(path);
      if (erase) await this.erase(name);
      await removeLocalState(path);
      this.#continuity.noteUnproven(path);
    });
  }

  async #readList(process: LitestreamProcess): Promise<void> {
    let list: ReplicatedDatabase[];
    try {
      list = await process.control.list();
      this.#silent = 0;
    } catch (error) {
      this.#silent += 1;
      this.#deps.log.warn({ err: error }, `Litestream does not answer: ${messageOf(error)}`);
      if (this.#silent >= MAX_SILENT) process.kill();
      return;
    }
    for (const { path, last_sync_at: at } of list) {
      const registered = this.#registered.get(path);
      if (!registered || at === undefined) continue;
      if (!(await this.#continuity.isProven(path, registered))) {
        await this.#releaseUnproven(path, registered);
        continue;
      }
      // Each time, until etcd has it: one call can fail.
      void this.paths.record(registered);
      registered.syncedAt = new Date(at);
      this.#reached.noteSynced(path);
    }
    this.#lastError = isLate(this.#worst()) ? await process.lastError() : null;
  }

  /** Releases a database of which changes are missing. The next registration stores the whole of it. */
  async #releaseUnproven(path: string, registered: Registered): Promise<void> {
    await this.#perFile.run(path, async () => {
      if (this.#registered.get(path) !== registered) return;
      this.#continuity.noteUnproven(path);
      this.#deps.log.warn({ instance: registered.name }, 'changes are missing in its replica');
      await this.#release(path);
      this.#reached.noteBehind(path, null);
    });
  }

  async #register({ name, directory, phase }: ReplicationSubject, path: string): Promise<void> {
    const { clock } = this.#deps;
    const { target } = this.#deps.config;
    if (target === null) return;
    const replica = await this.paths.of(name);
    await this.#perFile.run(path, async () => {
      // It may have ended meanwhile.
      if (this.#process === null || !REPLICATED.has(phase())) return;
      let beginning: Beginning | null;
      try {
        requireRegularFiles(path);
        const id = this.#replica + this.paths.suffixOf(name);
        beginning = await this.#continuity.begin(path, id, this.#registered.values());
      } catch (error) {
        return this.#noteRefusal(path, name, error);
      } finally {
        if (this.#continuity.isUnproven(path)) this.#reached.noteBehind(path, null);
      }
      if (beginning === null) return;
      // Known before it is sent: a release ends what may have begun.
      this.#registered.set(path, {
        name,
        directory,
        replica,
        at: clock.now(),
        syncedAt: null,
        checkAt: clock.monotonic() + FIRST_CHECK_MS,
        hasGap: false,
        ...beginning,
      });
      try {
        await this.#process.control.register(path, replicaUrl(target, replica));
        this.#refused.delete(path);
      } catch (error) {
        this.#noteRefusal(path, name, error);
        if (error instanceof Refused) this.#registered.delete(path);
        else this.#process?.kill();
      }
    });
  }

  /** The same problem is logged once, not with every try. */
  #noteRefusal(path: string, name: string, error: unknown): void {
    const text = `${name} is not replicated: ${messageOf(error)}`;
    if (this.#refused.get(path) !== text) this.#deps.log.error({ err: error, instance: name }, text);
    this.#refused.set(path, text);
  }

  async #release(path: string): Promise<void> {
    const registered = this.#registered.get(path);
    const process = this.#process;
    if (!registered || process === null) return;
    const { name } = registered;
    try {
      // Otherwise nothing of it would be sent.
      if (registered.syncedAt === null) await process.control.open(path);
      this.#reached.noteSynced(path);
    } catch (error) {
      this.#reached.noteBehind(path, null);
      this.#deps.log.warn(
        { err: error, instance: name },
        `${name} is not replicated yet: ${messageOf(error)}`,
      );
    }
    try {
      await process.control.unregister(path);
    } catch (error) {
      this.#reached.noteBehind(path, registered.syncedAt);
      this.#deps.log.warn(
        { err: error, instance: name },
        `the last changes of ${name} are not replicated: ${messageOf(error)}`,
      );
      if (!(error instanceof Refused)) {
        // It must not hold a file that is moved.
        process.kill();
        await process.ended;
      }
    }
    this.#registered.delete(path);
  }
}
