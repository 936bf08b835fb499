import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { fileState } from '../../pocketbase/data/data-state.ts';
import type { Fleet } from '../fleet.ts';
import { dataDirOf, failedMarkerOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { type Candidate, type HostState, inOrderOfSleep, type SleepCause, sleepCause } from './sleep-rule.ts';

/** A look reads one file of each awake database, which takes 0.03 ms. */
export const LOOK_EVERY_MS = 10_000;
/** Between looks while more databases are to sleep, or to be checked, than one look does. */
const NEXT_MS = 1_000;
/** Looks until a database is tried again that could not sleep. */
const RETRY_LOOKS = 3;
const MINUTE_MS = 60_000;
/** Each end of a process takes processor time. */
export const MAX_SLEEPS = 20;
/** Databases that are tried at a look. A process with clients is stopped for a millisecond or two. */
export const MAX_TRIES = 40;
/** Of sleeping databases that are checked for jobs at each look: reading a database takes 0.5 ms. */
const JOB_CHECKS = 20;
/** Of sleeping databases whose files are checked at each look: reading two heads takes 0.05 ms. */
const FILE_CHECKS = 100;

export interface SleepWatchDeps {
  fleet: Pick<Fleet, 'runners' | 'sortedRunners' | 'withProcess' | 'wake' | 'size' | 'sendCommands'>;
  settings: { maxAwake: number | null };
  /** In bytes. */
  memory: { available: () => number; total: () => number };
  /** Whether the host can hold the sockets of databases that sleep. */
  isSupported: () => Promise<boolean>;
  /** SLEEP_AFTER of an instance; null without one. */
  sleepAfterMs: (runner: Runner) => number | null;
  /** Whether the files of a data directory are neither missing nor damaged at their begin. */
  hasUsableFiles: (dataDir: string) => boolean;
  lookEveryMs: number;
  clock: Clock;
  log: Logger;
}

interface RunnerCandidate extends Candidate {
  runner: Runner;
}

/** Lets databases sleep that are not used, and others while too many are awake or the memory of the host is short. */
export class SleepWatch {
  readonly #deps: SleepWatchDeps;
  /** Sleeping databases whose jobs are known. */
  readonly #checked = new WeakSet<Runner>();
  /** When databases could not sleep, in monotonic time. */
  readonly #refused = new WeakMap<Runner, number>();
  /** Where the next look continues. */
  #nextFiles = 0;
  #isFirst = true;
  #loop: Loop | null = null;

  constructor(deps: SleepWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, (signal) => this.#check(signal));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Whether an instance starts asleep: it may, it has data, and its first connection wakes it. */
  async startsAsleep(runner: Runner): Promise<boolean> {
    return this.maySleep(runner) && (await this.isSupported()) && canSleep(runner);
  }

  /** Whether the host can hold the sockets of databases that sleep. */
  isSupported(): Promise<boolean> {
    return this.#deps.isSupported();
  }

  /** Whether its settings let an instance sleep. */
  maySleep(runner: Runner): boolean {
    const { fleet, settings, sleepAfterMs } = this.#deps;
    const { maxAwake } = settings;
    // Without a time of its own, it sleeps only above the limit. The global instance is no database.
    const isCrowded = maxAwake !== null && fleet.size - 1 > maxAwake;
    return sleepAfterMs(runner) !== null || (isCrowded && !runner.spec.staysAwake());
  }

  /** Returns the milliseconds until the next look. */
  async #check(signal: AbortSignal): Promise<number> {
    const { lookEveryMs } = this.#deps;
    if (!(await this.isSupported())) return lookEveryMs;
    if (this.#isFirst) await this.#sendCommands(signal);
    this.#isFirst = false;
    const isBusy = await this.#letSleep();
    const hasMore = this.#wakeForJobs();
    this.#checkFiles();
    return isBusy || hasMore ? Math.min(NEXT_MS, lookEveryMs) : lookEveryMs;
  }

  /** Databases that begin asleep with the daemon have open ports, but the keeper does not know how to start them. */
  async #sendCommands(signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.fleet.sendCommands({ canSleep, signal });
    } catch (error) {
      // A keeper that was lost. The next one gets them.
      this.#deps.log.warn(`cannot tell the keeper how to start sleeping databases: ${messageOf(error)}`);
    }
  }

  /** Returns whether others may be to sleep soon. */
  async #letSleep(): Promise<boolean> {
    const { settings, memory, log } = this.#deps;
    const { awake, candidates } = this.#candidates();
    const { maxAwake } = settings;
    const host: HostState = {
      awake,
      maxAwake,
      availableBytes: memory.available(),
      totalBytes: memory.total(),
    };
    let tries = 0;
    let slept = 0;
    for (const candidate of inOrderOfSleep(candidates)) {
      const why = sleepCause(candidate, { ...host, awake: awake - slept });
      if (why === null) continue;
      if (slept === MAX_SLEEPS || tries === MAX_TRIES) return true;
      const { runner, idleMs } = candidate;
      // It was used, or has ended, in the meantime.
      if ((runner.idleMs() ?? 0) < idleMs) continue;
      tries += 1;
      try {
        if (await this.#sleep(runner, sleepReason(why, { idleMs, maxAwake }))) slept += 1;
      } catch (error) {
        log.warn({ err: error, instance: runner.spec.name }, `cannot let it sleep: ${messageOf(error)}`);
      }
    }
    return slept > 0;
  }

  /** Databases with a process, and those of them that may be tried now. */
  #candidates(): { awake: number; candidates: RunnerCandidate[] } {
    const { fleet, settings, sleepAfterMs: timeOf, lookEveryMs, clock } = this.#deps;
    const triedBeforeMs = clock.monotonic() - RETRY_LOOKS * lookEveryMs;
    const candidates: RunnerCandidate[] = [];
    let awake = 0;
    for (const runner of fleet.withProcess()) {
      if (runner.spec.kind !== 'user') continue;
      awake += 1;
      const sleepAfterMs = timeOf(runner);
      const maySleep = sleepAfterMs !== null || (settings.maxAwake !== null && !runner.spec.staysAwake());
      const refusedAtMs = this.#refused.get(runner) ?? null;
      if (!maySleep || (refusedAtMs ?? triedBeforeMs) > triedBeforeMs) continue;
      const idleMs = runner.idleMs();
      if (idleMs !== null) candidates.push({ runner, idleMs, sleepAfterMs, refusedAtMs });
    }
    return { awake, candidates };
  }

  /** Returns whether it sleeps from now on. */
  async #sleep(runner: Runner, why: PhaseReason): Promise<boolean> {
    // Also when an error ends this attempt.
    this.#refused.set(runner, this.#deps.clock.monotonic());
    if (runner.spec.hasOwnJobs() || (await runner.sleep(why)) !== null) return false;
    this.#refused.delete(runner);
    // Its last request may have given it jobs.
    this.#checked.delete(runner);
    return true;
  }

  /** Starts sleeping databases whose files are missing or damaged: the start fails with the reason. */
  #checkFiles(): void {
    const runners = this.#deps.fleet.sortedRunners();
    let checks = 0;
    for (let look = 0; look < runners.length && checks < FILE_CHECKS; look += 1) {
      const runner = runners[this.#nextFiles % runners.length];
      this.#nextFiles = (this.#nextFiles + 1) % runners.length;
      if (runner?.state.phase !== 'asleep') continue;
      checks += 1;
      const { directory } = runner.spec;
      if (runner.spec.archived() === null && !this.#deps.hasUsableFiles(dataDirOf(directory))) runner.wake();
    }
  }

  /**
   * Wakes databases with jobs of their own that sleep since the start of the daemon, or since the request that gave them these
   * jobs. Returns whether more are to be checked.
   */
  #wakeForJobs(): boolean {
    const { fleet, log } = this.#deps;
    const unchecked = fleet.runners(
      (runner) => runner.state.phase === 'asleep' && !this.#checked.has(runner),
    );
    for (const runner of unchecked.slice(0, JOB_CHECKS)) {
      this.#checked.add(runner);
      if (runner.spec.archived() !== null || !runner.spec.hasOwnJobs()) continue;
      const { name } = runner.spec;
      fleet.wake(name, 'schedule').catch((error: unknown) => {
        log.warn({ instance: name }, `cannot wake it for its own jobs: ${messageOf(error)}`);
      });
    }
    return unchecked.length > JOB_CHECKS;
  }
}

/** Whether a process can start from the files of a database as they are. If not, its start changes them, or shows the reason. */
function canSleep({ spec }: Runner): boolean {
  const { directory } = spec;
  if (fileState(failedMarkerOf(directory)) !== null) return false;
  if (spec.archived() !== null) return true;
  return (fileState(`${dataDirOf(directory)}/data.db`)?.size ?? 0) > 0 && spec.isPrepared();
}

function sleepReason(
  why: SleepCause,
  { idleMs, maxAwake }: { idleMs: number; maxAwake: number | null },
): PhaseReason {
  const idle =
    idleMs < MINUTE_MS ? `${Math.round(idleMs / 1000)} s` : `${Math.round(idleMs / MINUTE_MS)} min`;
  const messages: Record<SleepCause, string> = {
    idle: `not used for ${idle}; the next request wakes it`,
    awake_limit: `more databases than MAX_AWAKE (${maxAwake}) were awake, and it was not used for ${idle}; the next request wakes it`,
    host_memory: `the memory of the host was short, and it was not used for ${idle}; the next request wakes it`,
  };
  return { code: why, message: messages[why] };
}

/** Why a new database sleeps. */
export const NEW: PhaseReason = {
  code: 'idle',
  message: 'not used since it was created; the first request wakes it',
};

/** Why a database sleeps after the start of the daemon. */
export const NOT_STARTED: PhaseReason = {
  code: 'idle',
  message: 'not used since the start of the daemon; the next request wakes it',
};
