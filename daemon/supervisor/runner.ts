import type { PhaseReason } from '../../shared/api/instances.ts';
import { messageOf } from '../../shared/errors.ts';
import type { FleetEvent, LogRun } from '../../shared/events.ts';
import type { EndedBy, InstancePhase } from '../../shared/instance.ts';
import { deadline } from '../base/time/clock.ts';
import type { FoundProcess, InstanceProcess, ProcessExit } from '../pocketbase/process/process-driver.ts';
import { type RunFailure, watchRun } from './health/watch.ts';
import type { InstanceSpec } from './instance-spec.ts';
import { InstanceState } from './instance-state.ts';
import { afterFailure } from './restart-policy.ts';
import { type LaunchDeps, type LaunchOutcome, launch } from './start/launch.ts';
import { PreparedFile } from './start/prepared-file.ts';
import { findHolder, takeOver } from './start/takeover.ts';
import { endProcess, HUNG_GRACE_MS } from './start/terminate.ts';

export interface RunnerDeps extends LaunchDeps {
  publish: (event: FleetEvent) => void;
  random: () => number;
  healthIntervalMs: number;
  /** How long a process that is to stop may take before it is killed. */
  stopGraceMs: number;
}

/** A start that takes longer waits for something; it gives its slot to the next one and goes on beside it. */
const SLOT_PATIENCE_MS = 5_000;
/** Phases that only a command or time ends: nothing is under way that could be interrupted. */
const IDLE: ReadonlySet<InstancePhase> = new Set(['stopped', 'failed', 'backing_off']);

/**
 * Drives one instance towards what is desired of it, turn after turn: wait for a start slot, launch, watch; when the
 * process is gone and nobody asked for it, decide what follows. Commands only write down what is wanted and end the wait
 * of the current turn, so there is never more than one hand on the process.
 */
export class Runner {
  readonly spec: InstanceSpec;
  readonly state: InstanceState;
  readonly #deps: RunnerDeps;
  #turn = new AbortController();
  #loop: Promise<void> | null = null;
  #closing: 'no' | 'stop' | 'leave' = 'no';
  #gaveUp = false;
  readonly #prepared = new PreparedFile();
  /** Why the next turn has to wait, and how long; null starts at once. */
  #backoff: { reason: PhaseReason; delayMs: number } | null = null;
  /** A process that an earlier daemon left running. */
  #found: FoundProcess | null = null;
  /** Ends the wait for files that cannot be saved: only the end of the daemon, or of the database, does not wait for ever. */
  readonly #patience = new AbortController();
  /** The one process of this instance, from the moment it has a pid until it is gone. */
  #process: InstanceProcess | null = null;
  /** The last process that was taken over. */
  #adopted: InstanceProcess | null = null;

  constructor(spec: InstanceSpec, deps: RunnerDeps, lastPort: number | null) {
    this.spec = spec;
    this.#deps = deps;
    this.state = new InstanceState(spec, deps, lastPort);
  }

  /** Wants it running. `force` also leaves `failed`, cuts a back-off short and forgets earlier failures. */
  start({ force, adopt }: { force: boolean; adopt?: FoundProcess }): void {
    if (this.#closing !== 'no') return;
    if (adopt) this.#found = adopt;
    if (force) this.#forgetFailures();
    this.state.note({ desired: 'running' });
    this.#go(force ? IDLE.has(this.state.phase) : this.state.phase === 'stopped');
  }

  /** There is nothing to start yet. A forced start tries it. */
  giveUp(reason: PhaseReason): void {
    if (this.#closing !== 'no' || !IDLE.has(this.state.phase)) return;
    this.#gaveUp = true;
    this.state.enter('failed', reason, { desired: 'running', nextAttemptAt: null });
  }

  /** Wants it stopped. */
  stop(): void {
    if (this.#closing !== 'no') return;
    this.#prepared.forget();
    this.state.note({ desired: 'stopped' });
    this.#turn.abort();
    this.#loop ??= this.#run();
  }

  /** Wants a new process, whatever the state. */
  restart(): void {
    if (this.#closing !== 'no') return;
    this.#forgetFailures();
    this.state.note({ desired: 'running' });
    this.#go(true);
  }

  /** Whether its process was left by an earlier daemon. */
  get isAdopted(): boolean {
    return this.#found !== null || (this.#process !== null && this.#process === this.#adopted);
  }

  /** Ends the loop for good; with `leave` the process goes on, for the next daemon to take over. */
  async close(how: 'stop' | 'leave'): Promise<void> {
    if (this.#closing === 'no') {
      this.#closing = how;
      // Whoever waits for it to run need not any more.
      if (how === 'stop') this.state.note({ desired: 'stopped' });
    }
    this.#turn.abort();
    this.#loop ??= this.#run();
    const enough = deadline(this.#deps.clock, how === 'leave' ? 0 : this.#deps.stopGraceMs);
    enough.signal.addEventListener('abort', () => this.#patience.abort());
    await this.#loop;
    enough.cancel();
  }

  #forgetFailures(): void {
    this.#gaveUp = false;
    this.#backoff = null;
    this.#prepared.forget();
    this.state.note({ attempt: 0, nextAttemptAt: null });
  }

  /** The phase is left at once, so that whoever waits for the outcome does not take the old one for it. */
  #go(interrupt: boolean): void {
    if (interrupt) {
      if (IDLE.has(this.state.phase)) {
        this.state.enter('queued', this.state.reason, { nextAttemptAt: null });
      }
      this.#turn.abort();
    }
    this.#loop ??= this.#run();
  }

  get #wanted(): boolean {
    return this.#closing === 'no' && this.state.observed.desired === 'running';
  }

  async #run(): Promise<void> {
    while (this.#closing === 'no') {
      this.#turn = new AbortController();
      const { signal } = this.#turn;
      try {
        if (this.#wanted && !this.#gaveUp) await this.#drive(signal);
        else await this.#rest(signal);
      } catch (error) {
        await this.#recover(error);
      }
    }
    if (this.#closing === 'stop') await this.#endFound();
    if (IDLE.has(this.state.phase) || this.state.phase === 'queued') {
      this.state.enter('stopped', null, { nextAttemptAt: null });
    }
  }

  /** Nothing to do until a command comes. */
  async #rest(signal: AbortSignal): Promise<void> {
    this.#deps.ports.rest(this.spec.name);
    if (!this.#wanted) {
      await this.#endFound();
      // A start may have come while that took its time.
      if (this.#wanted) return;
      this.#backoff = null;
      this.#gaveUp = false;
      this.state.enter('stopped', null, { nextAttemptAt: null, attempt: 0, maxAttempts: null });
    }
    if (!signal.aborted)
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }

  async #drive(signal: AbortSignal): Promise<void> {
    const { clock, starts } = this.#deps;
    if (this.#backoff) {
      const { delayMs, reason } = this.#backoff;
      const nextAttemptAt = new Date(clock.now().getTime() + delayMs);
      this.state.enter('backing_off', reason, { nextAttemptAt });
      await clock.sleep(delayMs, signal);
      if (signal.aborted) return;
      this.#backoff = null;
    }
    this.state.enter('queued', this.state.reason, { nextAttemptAt: null });
    const release = await starts.acquire(signal);
    if (!release) return;
    const started = new AbortController();
    void clock.sleep(SLOT_PATIENCE_MS, started.signal).then(release);
    let outcome: LaunchOutcome;
    try {
      outcome = (await this.#adopt(signal)) ?? (await this.#launch(signal));
    } finally {
      started.abort();
    }
    if (outcome.kind === 'running') {
      const end = await watchRun(
        outcome.running,
        outcome.database,
        this.spec,
        this.state,
        this.#deps,
        signal,
      );
      if (end) this.#afterFailure(end);
      else if (this.#closing !== 'leave') await this.#end(outcome.running.process);
    } else if (outcome.kind === 'failed') {
      if (outcome.reason.code === 'data_dir_locked') {
        // Should it be a process of this very instance that was lost sight of, the next turn takes that over.
        this.#found = await findHolder(this.#deps.driver, this.spec);
      }
      this.#afterFailure({ ...outcome, uptimeMs: 0 });
    } else if (!outcome.process) this.state.enter('queued', null);
    else if (this.#closing !== 'leave') await this.#end(outcome.process);
  }

  /** A fault of ours must not leave the instance, nor its process, without anybody looking after it. */
  async #recover(fault: unknown): Promise<void> {
    const { clock, log } = this.#deps;
    log.error({ err: fault, instance: this.spec.name }, 'supervision of an instance failed');
    try {
      const exit = this.#process && (await this.#endProcess(this.#process, HUNG_GRACE_MS));
      const message = `supervision failed: ${messageOf(fault)}; look at the daemon's log`;
      const reason: PhaseReason = { code: exit ? 'exited' : 'spawn_failed', message };
      this.#afterFailure({ reason, exit, endedBy: exit ? 'fathomd' : null, uptimeMs: 0 });
    } catch (error) {
      log.error({ err: error, instance: this.spec.name }, 'and could not be taken up again yet');
      await clock.sleep(1_000, this.#turn.signal);
    }
  }

  /** A log that cannot be marked stands in nobody's way. */
  #recordRun(position: number, run: LogRun): void {
    this.spec.log.recordRun(position, run).catch((error: unknown) => {
      this.#deps.log.warn(
        { instance: this.spec.name },
        `the next daemon will not know where this run begins in the log: ${messageOf(error)}`,
      );
    });
  }

  async #launch(signal: AbortSignal): Promise<LaunchOutcome> {
    const plan = { lastPort: this.state.observed.port, prepared: this.#prepared.stamp };
    this.state.enter('starting', this.state.reason);
    const outcome = await launch(this.spec, plan, this.#deps, signal, (process, { port, logStart }) => {
      this.#process = process;
      this.#recordRun(logStart, this.state.beginRun(process.pid, port));
    });
    const isWhole = outcome.kind === 'running' && outcome.running.limitation === null;
    this.#prepared.startedOn(isWhole ? outcome.database : null);
    // One that lost its port is gone, and there was no next one.
    const gone =
      outcome.kind === 'interrupted' ? !outcome.process : outcome.kind === 'failed' && !outcome.exit;
    if (gone && this.#process) {
      this.#process = null;
      this.state.note({ pid: null, startedAt: null });
    }
    return outcome;
  }

  async #adopt(signal: AbortSignal): Promise<LaunchOutcome | null> {
    const found = this.#found;
    if (!found) return null;
    this.#found = null;
    this.#prepared.forget();
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

  /** The process that an earlier daemon left is not to be taken over after all. */
  async #endFound(): Promise<void> {
    if (!this.#found) return;
    const process = this.#deps.driver.adopt(this.#found);
    this.#found = null;
    await this.#endProcess(process, this.#deps.stopGraceMs);
  }

  /** Ends a process because a person, or the daemon's own end, asked for it. */
  async #end(process: InstanceProcess): Promise<void> {
    this.state.enter('stopping', { code: 'requested', message: 'stopping, as requested' });
    const exit = await this.#endProcess(process, this.#deps.stopGraceMs);
    if (!exit) return;
    this.#recordExit(exit, 'request');
    if (this.#wanted) this.state.enter('queued', null);
    else this.state.enter('stopped', null);
  }

  /** Null when its files could not be saved before the daemon ended: it is left to the next one. */
  async #endProcess(process: InstanceProcess, graceMs: number): Promise<ProcessExit | null> {
    const ended = await endProcess(process, this.spec.directory, this.#deps, {
      graceMs,
      onUnsaved: (reason) => this.state.enter(this.state.phase, reason),
      patience: this.#patience.signal,
    });
    return ended?.exit ?? null;
  }

  #afterFailure({ reason, exit, endedBy, uptimeMs }: RunFailure): void {
    if (exit) this.#recordExit(exit, endedBy);
    const { attempt, restarts } = this.state.observed;
    const verdict = afterFailure(
      {
        reason: reason.code,
        attempt,
        before: this.state.reason?.code ?? null,
        uptimeMs,
        mayGiveUp: this.spec.kind === 'user',
      },
      this.#deps.random,
    );
    const counted = {
      attempt: verdict.attempt,
      maxAttempts: verdict.maxAttempts,
      restarts: restarts + (exit ? 1 : 0),
    };
    this.#deps.log.warn(
      { instance: this.spec.name, reason: reason.code, ...counted, decision: verdict.kind },
      reason.message,
    );
    if (verdict.kind === 'give_up') {
      this.#gaveUp = true;
      this.state.enter('failed', reason, counted);
    } else if (verdict.delayMs === 0) {
      this.state.enter('queued', reason, counted);
    } else {
      this.#backoff = { reason, delayMs: verdict.delayMs };
      this.state.enter('backing_off', reason, counted);
    }
  }

  #recordExit(exit: ProcessExit, endedBy: EndedBy): void {
    this.#process = null;
    if (endedBy === 'request') this.#prepared.forget();
    else this.#prepared.leftAs(this.#deps.files.database(this.spec));
    this.state.recordExit(exit, endedBy);
  }
}
