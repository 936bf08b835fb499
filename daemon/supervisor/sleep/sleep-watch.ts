import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { fileState } from '../../pocketbase/data/data-state.ts';
import type { Fleet } from '../fleet.ts';
import { dataDirOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { type Candidate, chooseSleepers, type SleepCause } from './sleep-rule.ts';

/** A look reads one file of each awake database, which takes 0.03 ms. */
export const LOOK_EVERY_MS = 10_000;
/** Between looks while more databases are to sleep than may end at once. */
const NEXT_MS = 1_000;
const MINUTE_MS = 60_000;
/** Of sleeping databases that are checked for jobs at each look: reading a database takes 0.5 ms. */
const JOB_CHECKS = 10;

export interface SleepWatchDeps {
  fleet: Fleet;
  settings: { maxAwake: number | null };
  /** In bytes. */
  memory: { available: () => number; total: () => number };
  /** Whether the host can hold the sockets of databases that sleep. */
  isSupported: () => Promise<boolean>;
  /** SLEEP_AFTER of an instance; null for one that never sleeps. */
  sleepAfterMs: (runner: Runner) => number | null;
  lookEveryMs: number;
  clock: Clock;
  log: Logger;
}

/** Lets databases sleep that are not used, and others while too many are awake or the memory of the host is short. */
export class SleepWatch {
  readonly #deps: SleepWatchDeps;
  /** Sleeping databases whose jobs are known. */
  readonly #checked = new WeakSet<Runner>();
  #loop: Loop | null = null;

  constructor(deps: SleepWatchDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, () => this.#check());
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Whether an instance starts asleep: it can, it has data, and its first connection wakes it. */
  async startsAsleep(runner: Runner): Promise<boolean> {
    if (this.#deps.sleepAfterMs(runner) === null || !(await this.#deps.isSupported())) return false;
    // A start shows the reason.
    return (fileState(`${dataDirOf(runner.spec.directory)}/data.db`)?.size ?? 0) > 0;
  }

  /** Returns the milliseconds until the next look. */
  async #check(): Promise<number> {
    const { fleet, settings, memory, isSupported, lookEveryMs, log } = this.#deps;
    if (!(await isSupported())) return lookEveryMs;
    const candidates: Candidate[] = [];
    let awake = 0;
    for (const runner of fleet.runners(
      ({ spec, state }) => spec.kind === 'user' && state.observed.pid !== null,
    )) {
      awake += 1;
      const sleepAfterMs = this.#deps.sleepAfterMs(runner);
      const idleMs = sleepAfterMs === null ? null : runner.idleMs();
      if (sleepAfterMs !== null && idleMs !== null)
        candidates.push({ name: runner.spec.name, idleMs, sleepAfterMs });
    }
    const { maxAwake } = settings;
    const host = { awake, maxAwake, availableBytes: memory.available(), totalBytes: memory.total() };
    let slept = 0;
    for (const { name, why, idleMs } of chooseSleepers(candidates, host)) {
      const runner = fleet.find(name);
      // It was used, or has ended, in the meantime.
      if (!runner || (runner.idleMs() ?? 0) < idleMs) continue;
      if (runner.spec.hasOwnJobs()) continue;
      try {
        if ((await runner.sleep(sleepReason(why, { idleMs, maxAwake }))) === null) slept += 1;
      } catch (error) {
        log.warn({ err: error, instance: name }, `cannot let it sleep: ${messageOf(error)}`);
      }
    }
    this.#wakeForJobs();
    return slept > 0 ? Math.min(NEXT_MS, lookEveryMs) : lookEveryMs;
  }

  /** Wakes databases with jobs of their own that sleep since the start of the daemon. */
  #wakeForJobs(): void {
    const { fleet, log } = this.#deps;
    const unchecked = fleet.runners(
      (runner) => runner.state.phase === 'asleep' && !this.#checked.has(runner),
    );
    for (const runner of unchecked.slice(0, JOB_CHECKS)) {
      this.#checked.add(runner);
      if (!runner.spec.hasOwnJobs()) continue;
      const { name } = runner.spec;
      fleet.wake(name, 'schedule').catch((error: unknown) => {
        log.warn({ instance: name }, `cannot wake it for its own jobs: ${messageOf(error)}`);
      });
    }
  }
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

/** Why a database sleeps after the start of the daemon. */
export const NOT_STARTED: PhaseReason = {
  code: 'idle',
  message: 'not used since the start of the daemon; the next request wakes it',
};
