import type { PhaseReason } from '../../shared/api/instances.ts';
import { messageOf } from '../../shared/errors.ts';
import type { EndedBy, InstancePhase } from '../../shared/instance.ts';
import { deadline } from '../base/time/clock.ts';
import type { HoldResult } from '../pocketbase/process/keeper/keeper-protocol.ts';
import type { FoundProcess, InstanceProcess, ProcessExit } from '../pocketbase/process/process-driver.ts';
import { transferredBytes } from '../pocketbase/process/procfs.ts';
import { countFailure } from './failure-counts.ts';
import type { MemoryGuard } from './health/memory-guard.ts';
import { type RunFailure, watchRun } from './health/watch.ts';
import { recordRun } from './instance-logs.ts';
import type { InstanceSpec } from './instance-spec.ts';
import { InstanceState, type Observed, type StateDeps } from './instance-state.ts';
import { MAINTAINED, Maintenance, maintenanceConflict } from './maintenance.ts';
import type { RestartSettings } from './restart-policy.ts';
import { sleepProblem } from './sleep/sleep-problem.ts';
import { UseMeter } from './sleep/use-meter.ts';
import { type LaunchDeps, type LaunchOutcome, launch, sleepOnPort } from './start/launch.ts';
import { PreparedFile } from './start/prepared-file.ts';
import { findHolder, takeOver } from './start/takeover.ts';
import { closeFiles, endProcess, HUNG_GRACE_MS } from './start/terminate.ts';
import { answerClients, type IdlePhase } from './unavailable-reason.ts';

export interface RunnerDeps extends LaunchDeps, StateDeps {
  random: () => number;
  settings: { restarts: RestartSettings };
  healthIntervalMs: number;
  memory: MemoryGuard;
  /** The time between SIGTERM and SIGKILL when a process is stopped. */
  stopGraceMs: number;
}

/** A start that takes longer than this releases its slot and continues. */
const SLOT_TIMEOUT_MS = 5_000;
/** Phases without an operation in progress. Only a command or time ends them. */
const IDLE: ReadonlySet<InstancePhase> = new Set(['stopped', 'failed', 'backing_off', 'asleep']);

/** One for all: each aborted signal keeps its reason, and thousands of databases sleep after one. */
const INTERRUPTED = new DOMException('the turn was interrupted', 'AbortError');

/**
 * Drives one instance towards its desired state in a loop of turns. Each turn waits for a start slot, launches the process
 * and watches it. After an unexpected exit, the restart policy decides what follows.
 *
 *   stopped ─▶ queued ─▶ starting ─▶ running ◀─▶ unresponsive
 *                ▲           └──────────┴────────────┤ unexpected exit or failed start
 *                ├─────────────── restart at once ◀──┤
 *                ├────────────────── backing_off ◀───┤
 *                └── forced start ──── failed ◀──────┘ too many attempts
 *
 * A stop leads from every phase to stopped, through stopping if there is a process. A sleep leads from running through
 * stopping to asleep, and a wake from there through waking to running.
 *
 * Commands only set the desired state and end the wait of the current turn, so operations on the process are serialized.
 */
export class Runner {
  readonly spec: InstanceSpec;
  readonly state: InstanceState;
  readonly #deps: RunnerDeps;
  #turn = new AbortController();
  #loop: Promise<void> | null = null;
  #closing: 'no' | 'stop' | 'leave' = 'no';
  #hasFailed = false;
  readonly #prepared = new PreparedFile();
  /** The delay before the next turn, with its reason; null starts at once. */
  #backoff: { reason: PhaseReason; delayMs: number } | null = null;
  #restartReason: PhaseReason | null = null;
  /** Why it sleeps, or will when its process has ended; null while it is awake. */
  #asleep: PhaseReason | null = null;
  #isWaking = false;
  /** The process that the keeper may end because it has no clients. */
  #endedIdle: InstanceProcess | null = null;
  /** The use of its last process; null before the first one runs. */
  use: UseMeter | null = null;
  /** A process of an earlier daemon that is not adopted yet. */
  #found: FoundProcess | null = null;
  /** Ends the attempts to save files. Aborts only after `close`, when the daemon ends or the database is removed. */
  readonly #stopSaving = new AbortController();
  /** The current process of this instance, until it has ended. */
  #process: InstanceProcess | null = null;
  /** Whether it has run with this daemon. */
  #hasRun = false;
  /** The last process that was adopted. */
  #adopted: InstanceProcess | null = null;
  #maintenance: Maintenance | null = null;

  constructor(spec: InstanceSpec, deps: RunnerDeps, lastPort: number | null) {
    this.spec = spec;
    this.#deps = deps;
    this.state = new InstanceState(spec, deps, lastPort);
  }

  /** Sets the desired state to running. `force` also leaves `failed`, ends a back-off and resets the failures. */
  start({ force, adopt }: { force: boolean; adopt?: FoundProcess }): void {
    if (this.#closing !== 'no') return;
    if (adopt) this.#found = adopt;
    if (force) this.#resetFailures();
    this.state.update({ desired: 'running' });
    if (this.wake()) return;
    this.#runLoop({ interrupt: force ? IDLE.has(this.state.phase) : this.state.phase === 'stopped' });
  }

  /** Ends a back-off whose cause is gone. */
  retry(cause: PhaseReason['code']): void {
    if (this.#backoff?.reason.code === cause && this.#shouldRun) this.start({ force: true });
  }

  /** Enters `failed` for a database that cannot be started yet. A forced start tries it. */
  markFailed(reason: PhaseReason): void {
    if (this.#closing !== 'no' || !IDLE.has(this.state.phase)) return;
    this.#hasFailed = true;
    this.#asleep = null;
    this.#fail(reason, { desired: 'running', nextAttemptAt: null });
  }

  /** Sets the desired state to stopped. */
  stop(): void {
    if (this.#closing !== 'no') return;
    this.#prepared.reset();
    this.#asleep = null;
    this.state.update({ desired: 'stopped' });
    this.#turn.abort(INTERRUPTED);
    this.#loop ??= this.#run();
  }

  /**
   * Begins asleep, without a start: at the start of the daemon. Its port is opened by `holdPort`. Without a port, it starts.
   */
  startAsleep(why: PhaseReason): void {
    if (this.#closing !== 'no' || this.state.phase !== 'stopped') return;
    if (this.state.observed.port === null) return this.start({ force: false });
    this.#asleep = why;
    this.state.enter('asleep', why, { desired: 'running' });
    // A turn that waits for a command. There is none at the start of the daemon.
    if (this.#loop) this.#turn.abort(INTERRUPTED);
  }

  /**
   * Ends the process until the next connection. A process that has clients continues.
   *
   * @param closeQuiet also ends it when none of its connections has a request in progress
   * @returns why it cannot; null when it sleeps from now on
   */
  async sleep(why: PhaseReason, closeQuiet = false): Promise<string | null> {
    const process = this.#process;
    const { port } = this.state.observed;
    // Not while the keeper ends it, until its exit is known.
    const isRunning = () => this.#process === process && this.#isServing && this.#endedIdle !== process;
    if (process === null || port === null || !isRunning()) return `it is ${this.state.phase}`;
    const unsafe = await this.#deps.files.unsafeToCloseReason(this.spec.directory, process.pid);
    if (unsafe || !isRunning()) return unsafe?.message ?? 'it was started or stopped in the meantime';
    this.#asleep = why;
    this.#endedIdle = process;
    const result = await this.#holdPort(port, process, closeQuiet);
    if (result === 'held') return null;
    // A keeper that was lost may have ended it nevertheless.
    if (this.#process === process) this.#asleep = this.#endedIdle = null;
    return sleepProblem(this.spec.name, result);
  }

  /** Opens the port of an instance that sleeps. When another process has the port, the instance starts on another one. */
  async holdPort(): Promise<void> {
    const { port } = this.state.observed;
    if (this.state.phase !== 'asleep' || port === null) return;
    if ((await this.#holdPort(port, null)) !== 'held') this.wake();
  }

  /** Starts the process of an instance that sleeps. False when it does not. */
  wake(): boolean {
    if (this.#closing !== 'no' || this.#asleep === null) return false;
    this.#asleep = null;
    this.#isWaking = true;
    if (this.state.phase === 'asleep') this.state.enter('waking', this.spec.archived());
    // While its process ends, or if it continues, there is nothing to interrupt. It starts again after its end.
    if (this.#process === null) this.#turn.abort(INTERRUPTED);
    this.#loop ??= this.#run();
    return true;
  }

  /** The milliseconds since the last use by others than Fathom; null when it has no process. */
  idleMs(): number | null {
    return this.state.phase === 'running' ? (this.use?.idleMs() ?? null) : null;
  }

  /** Starts a new process in every state. @param why shown while the process stops */
  restart(why: PhaseReason | null = null): void {
    if (this.#closing !== 'no') return;
    this.#restartReason = why;
    this.#asleep = null;
    this.#resetFailures();
    this.state.update({ desired: 'running' });
    this.#runLoop({ interrupt: true });
  }

  /**
   * Ends the process, runs `work` on the files, and then continues: it starts, sleeps or stays stopped. Connections to an
   * instance that ran or slept wait meanwhile.
   *
   * @param work gets a signal that aborts when the daemon ends, or the database is deleted
   * @param why shown meanwhile
   * @throws FathomError `conflict` when it is maintained or deleted; the error of `work`
   */
  maintain(work: (signal: AbortSignal) => Promise<void>, why: PhaseReason): Promise<void> {
    if (this.#closing !== 'no' || this.#maintenance)
      return Promise.reject(maintenanceConflict(this.spec.name));
    this.#maintenance = new Maintenance(work, why);
    this.#restartReason = why;
    this.#turn.abort(INTERRUPTED);
    this.#loop ??= this.#run();
    return this.#maintenance.ended;
  }

  /** The work on its files that waits or is in progress. */
  get maintenance(): Pick<Maintenance, 'cancel'> | null {
    return this.#maintenance;
  }

  /** Whether its process was started by an earlier daemon. */
  get isAdopted(): boolean {
    return this.#found !== null || (this.#process !== null && this.#process === this.#adopted);
  }

  /** Ends the loop. With `leave`, the process keeps running and the next daemon takes it over. */
  async close(how: 'stop' | 'leave'): Promise<void> {
    if (this.#closing === 'no') {
      this.#closing = how;
      // Ends the waits for the phase `running`.
      if (how === 'stop') this.state.update({ desired: 'stopped' });
    }
    this.#maintenance?.abort();
    this.#turn.abort(INTERRUPTED);
    this.#loop ??= this.#run();
    const timeout = deadline(this.#deps.clock, how === 'leave' ? 0 : this.#deps.stopGraceMs);
    timeout.signal.addEventListener('abort', () => this.#stopSaving.abort());
    await this.#loop;
    timeout.cancel();
  }

  #resetFailures(): void {
    this.#hasFailed = false;
    this.#backoff = null;
    this.#prepared.reset();
    this.state.update({ attempt: 0, nextAttemptAt: null, crashes: null });
  }

  /** Starts the loop, or ends its current turn. An idle phase is left at once, so that waits do not end with it. */
  #runLoop({ interrupt }: { interrupt: boolean }): void {
    if (interrupt) {
      if (IDLE.has(this.state.phase)) {
        this.state.enter('queued', this.state.reason, { nextAttemptAt: null });
      }
      this.#turn.abort(INTERRUPTED);
    }
    this.#loop ??= this.#run();
  }

  get #isServing(): boolean {
    return this.state.phase === 'running' && this.#shouldRun && !this.#turn.signal.aborted;
  }

  get #shouldRun(): boolean {
    return this.#closing === 'no' && this.state.observed.desired === 'running';
  }

  async #run(): Promise<void> {
    while (this.#closing === 'no') {
      this.#turn = new AbortController();
      const { signal } = this.#turn;
      try {
        if (this.#maintenance) await this.#maintain(this.#maintenance);
        else if (this.#shouldRun && !this.#hasFailed && !this.#asleep) await this.#startAndWatch(signal);
        else await this.#waitForCommand(signal);
      } catch (error) {
        await this.#recover(error);
      }
    }
    this.#maintenance?.refuse(this.spec.name);
    if (this.#closing === 'stop') {
      await this.#endFoundProcess();
      const { port } = this.state.observed;
      // Otherwise the keeper would wake it.
      if (port !== null) this.#deps.driver.release(port);
    }
    if (IDLE.has(this.state.phase) || this.state.phase === 'queued') {
      this.state.enter('stopped', null, { nextAttemptAt: null });
    }
  }

  async #waitForCommand(signal: AbortSignal): Promise<void> {
    if (!this.#shouldRun) {
      await this.#endFoundProcess();
      // A start command may have come in the meantime.
      if (this.#shouldRun) return;
      this.#backoff = null;
      this.#hasFailed = false;
      this.state.enter('stopped', this.spec.archived(), {
        nextAttemptAt: null,
        attempt: 0,
        maxAttempts: null,
        crashes: null,
      });
      if (this.state.observed.port !== null) this.#deps.driver.release(this.state.observed.port);
    } else if (this.#asleep && !(await this.#fallAsleep())) return;
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  async #maintain(maintenance: Maintenance): Promise<void> {
    await this.#endFoundProcess();
    const { phase, observed } = this.state;
    // The keeper must not start a sleeping instance now. A connection is reported, and starts it after the work.
    if (this.#asleep && observed.port !== null) this.#deps.driver.explain(observed.port, MAINTAINED, 'later');
    if (phase !== 'failed') this.state.enter(phase, maintenance.why);
    await maintenance.run(this.spec, this.#deps.files, this.#process === null, () => {
      this.#maintenance = this.#restartReason = null;
      this.#prepared.reset();
      // The work has taken its files away.
      if (this.#shouldRun && !this.#isWaking) this.#asleep = this.spec.archived() ?? this.#asleep;
    });
  }

  /** False when it is woken in the meantime, or when its socket cannot be held: then it starts. */
  async #fallAsleep(): Promise<boolean> {
    const { port } = this.state.observed;
    const isHeld = port !== null && (await this.#holdPort(port, null)) === 'held';
    if (!this.#asleep || !isHeld) {
      this.#asleep = null;
      return false;
    }
    this.state.enter('asleep', this.#asleep, { nextAttemptAt: null });
    return true;
  }

  #holdPort(port: number, process: InstanceProcess | null, closeQuiet?: boolean): Promise<HoldResult> {
    return sleepOnPort(this.spec, { port, process, closeQuiet }, this.#deps.driver);
  }

  async #startAndWatch(signal: AbortSignal): Promise<void> {
    const { clock, starts } = this.#deps;
    if (this.#backoff) {
      const { delayMs, reason } = this.#backoff;
      const nextAttemptAt = new Date(clock.now().getTime() + delayMs);
      this.state.enter('backing_off', reason, { nextAttemptAt });
      await clock.sleep(delayMs, signal);
      if (signal.aborted) return;
      this.#backoff = null;
    }
    if (this.state.phase !== 'waking') this.state.enter('queued', this.state.reason, { nextAttemptAt: null });
    const release = await starts.acquire(signal, { isUrgent: this.#isWaking });
    if (!release) return;
    const started = new AbortController();
    void clock.sleep(SLOT_TIMEOUT_MS, started.signal).then(release);
    let outcome: LaunchOutcome;
    try {
      outcome = (await this.#adopt(signal)) ?? (await this.#launch(signal));
    } finally {
      started.abort();
      this.#isWaking = false;
    }
    if (outcome.kind === 'running') {
      this.#deps.files.noteFailed(this.spec, false);
      this.#hasRun = true;
      const { pid } = outcome.running.process;
      this.use = new UseMeter(clock, () => transferredBytes(pid));
      const end = await watchRun(
        outcome.running,
        outcome.database,
        this.spec,
        this.state,
        { ...this.#deps, use: this.use },
        signal,
      );
      if (end?.exit && this.#endedIdle === outcome.running.process) this.#endSleeping(end.exit);
      else if (end) this.#handleFailure(end);
      else if (this.#closing !== 'leave') await this.#stopProcess(outcome.running.process);
    } else if (outcome.kind === 'failed') {
      if (outcome.reason.code === 'data_dir_locked') {
        // The lock may belong to a lost process of this instance: the next turn adopts it.
        this.#found = await findHolder(this.#deps.driver, this.spec);
      }
      this.#handleFailure({ ...outcome, uptimeMs: 0 });
    } else if (!outcome.process) this.state.enter('queued', null);
    else if (this.#closing !== 'leave') await this.#stopProcess(outcome.process);
  }

  /** Continues after an internal error, so that the instance and its process stay supervised. */
  async #recover(internalError: unknown): Promise<void> {
    const { clock, log } = this.#deps;
    log.error({ err: internalError, instance: this.spec.name }, 'the supervision of an instance failed');
    try {
      const exit = this.#process && (await this.#endProcess(this.#process, HUNG_GRACE_MS));
      const message = `supervision failed: ${messageOf(internalError)}; see the daemon's log`;
      const reason: PhaseReason = { code: exit ? 'exited' : 'spawn_failed', message };
      this.#handleFailure({ reason, exit, endedBy: exit ? 'fathomd' : null, uptimeMs: 0 });
    } catch (error) {
      log.error({ err: error, instance: this.spec.name }, 'the supervision of an instance failed again');
      await clock.sleep(1_000, this.#turn.signal);
    }
  }

  async #launch(signal: AbortSignal): Promise<LaunchOutcome> {
    const { attempt, port: lastPort } = this.state.observed;
    const wasMissing = attempt > 0 && this.state.reason?.code === 'data_dir_missing';
    const plan = { lastPort, prepared: this.#prepared.stamp, wasMissing };
    if (this.state.phase !== 'waking') this.state.enter('starting', this.state.reason);
    const outcome = await launch(this.spec, plan, this.#deps, signal, (process, { port, logStart }) => {
      this.#process = process;
      recordRun(this.spec, logStart, this.state.beginRun(process, port), this.#deps.log);
    });
    const isPrepared = outcome.kind === 'running' && outcome.running.limitation === null;
    this.#prepared.recordStart(isPrepared ? outcome.database : null);
    // A process that lost its port has ended, and no other was started.
    const hasEnded =
      outcome.kind === 'interrupted' ? !outcome.process : outcome.kind === 'failed' && !outcome.exit;
    if (hasEnded && this.#process) {
      this.#process = null;
      this.state.update({ pid: null, startedAt: null });
    }
    return outcome;
  }

  async #adopt(signal: AbortSignal): Promise<LaunchOutcome | null> {
    const found = this.#found;
    if (!found) return null;
    this.#found = null;
    this.#prepared.reset();
    this.#process = this.#deps.driver.adopt(found);
    this.#adopted = this.#process;
    const running = await takeOver(found, this.#process, this.spec, this.#deps, signal);
    if (running) return { kind: 'running', running, database: null };
    if (signal.aborted) return { kind: 'interrupted', process: this.#process };
    if (!(await this.#endProcess(this.#process, HUNG_GRACE_MS))) {
      return { kind: 'interrupted', process: this.#process };
    }
    this.#process = null;
    return null;
  }

  async #endFoundProcess(): Promise<void> {
    if (!this.#found) return;
    const process = this.#deps.driver.adopt(this.#found);
    this.#found = null;
    await this.#endProcess(process, this.#deps.stopGraceMs);
  }

  /** The keeper has ended the process, because it had no clients. */
  #endSleeping(exit: ProcessExit): void {
    this.state.enter('stopping', this.#asleep);
    closeFiles(this.spec, this.#deps);
    this.#recordExit(exit, 'request');
    // Otherwise the next turn enters `asleep`, when connections are noticed.
    if (!this.#asleep) this.state.enter('queued', null);
  }

  /** Ends a process after a command, or when the daemon ends. */
  async #stopProcess(process: InstanceProcess): Promise<void> {
    const requested: PhaseReason = { code: 'requested', message: 'stopping, as requested' };
    this.state.enter('stopping', (this.#shouldRun && this.#restartReason) || requested);
    this.#restartReason = null;
    const exit = await this.#endProcess(process, this.#deps.stopGraceMs);
    if (!exit) return;
    this.#recordExit(exit, 'request');
    this.state.enter(this.#shouldRun ? 'queued' : 'stopped', null);
  }

  /** Null when its files could not be saved before the daemon ends. The next daemon then finds the process. */
  async #endProcess(process: InstanceProcess, graceMs: number): Promise<ProcessExit | null> {
    const ended = await endProcess(process, this.spec.directory, this.#deps, {
      graceMs,
      onSaveFailed: (reason) => this.state.enter(this.state.phase, reason),
      stopSaving: this.#stopSaving.signal,
    });
    return ended?.exit ?? null;
  }

  #handleFailure({ reason, exit, endedBy, uptimeMs }: RunFailure): void {
    if (exit) this.#recordExit(exit, endedBy);
    const hasServed = this.#hasRun || this.spec.hasServed();
    const { decision, counted } = countFailure(
      this.state,
      { reason, exit, uptimeMs, kind: this.spec.kind, hasServed },
      this.#deps,
    );
    const facts = { ...counted, crashes: counted.crashes?.count ?? 0, decision: decision.kind };
    this.#deps.log.warn({ instance: this.spec.name, reason: reason.code, ...facts }, reason.message);
    if (decision.kind === 'give_up') {
      this.#hasFailed = true;
      this.#fail(reason, counted);
    } else if (decision.delayMs === 0) {
      this.state.enter('queued', reason, counted);
    } else {
      this.#backoff = { reason, delayMs: decision.delayMs };
      this.state.enter('backing_off', reason, counted);
      this.#answerClients('backing_off', reason, decision.delayMs);
    }
  }

  #fail(reason: PhaseReason, changes: Partial<Observed>): void {
    this.state.enter('failed', reason, changes);
    this.#deps.files.noteFailed(this.spec, true);
    this.#answerClients('failed', reason);
  }

  #answerClients(phase: IdlePhase, reason: PhaseReason, delayMs = 0): void {
    if (this.#closing === 'no') void answerClients(this, this.#deps, { phase, reason, delayMs });
  }

  #recordExit(exit: ProcessExit, endedBy: EndedBy): void {
    this.#process = null;
    if (endedBy === 'request' && !this.#asleep) this.#prepared.reset();
    else this.#prepared.recordExit(this.#deps.files.database(this.spec));
    this.state.recordExit(exit, endedBy);
  }
}
