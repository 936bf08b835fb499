import type { Clock } from '../../base/time/clock.ts';
import type { Prober } from '../../pocketbase/process/probe.ts';

/**
 * What an idle PocketBase reads and writes by itself, in bytes per look: timers and signals. Measured: 0 to 16, and at least
 * 287 for a request.
 */
const NOISE_BYTES = 128;
/** PocketBase deletes expired codes in the first seconds of an hour. */
const HOURLY_JOBS_MS = 10_000;
const HOUR_MS = 3_600_000;
/** After the start of a process, it reads its files and answers requests of the daemon. */
const START_MS = 2 * 60_000;
/** Of one run of these jobs. */
const HOURLY_JOBS_BYTES = 64 * 1024;

/** Reads how many bytes a process has read and written; null when that is not known. */
export type ReadTransferred = () => number | null;

/**
 * When a process was last used: it has read or written more than the probes of the daemon and its own jobs make it do.
 * The counters are cumulative, so nothing between two looks is missed.
 */
export class UseMeter {
  readonly #clock: Clock;
  readonly #read: ReadTransferred;
  #bytes: number | null;
  #usedAtMs: number;
  #lookedAt: number;
  #probes = 0;
  readonly #startedAtMs: number;
  #lastUsedAt: number | null = null;

  constructor(clock: Clock, read: ReadTransferred) {
    this.#clock = clock;
    this.#read = read;
    this.#bytes = read();
    this.#usedAtMs = this.#startedAtMs = clock.monotonic();
    this.#lookedAt = clock.now().getTime();
  }

  /** A prober whose requests do not count. */
  withoutUse(send: Prober): Prober {
    return async (...request) => {
      this.#look();
      this.#probes += 1;
      try {
        return await send(...request);
      } finally {
        this.#probes -= 1;
        this.#skip();
      }
    };
  }

  /** The milliseconds since the last use. */
  idleMs(): number {
    if (this.#probes === 0) this.#look();
    return this.#clock.monotonic() - this.#usedAtMs;
  }

  /**
   * The time of the last known use, in milliseconds since 1970; null when there was none later than two minutes after the
   * start. Unlike `idleMs`, it counts no start of the process.
   */
  get lastUsedAt(): number | null {
    return this.#lastUsedAt;
  }

  #look(): void {
    const bytes = this.#read();
    const nowMs = this.#clock.now().getTime();
    const isUnknown = bytes === null || this.#bytes === null;
    if (isUnknown || bytes - (this.#bytes ?? 0) > this.#allowance(nowMs)) {
      this.#usedAtMs = this.#clock.monotonic();
      if (this.#usedAtMs - this.#startedAtMs > START_MS) this.#lastUsedAt = nowMs;
    }
    this.#bytes = bytes;
    this.#lookedAt = nowMs;
  }

  /** What was read and written since the last look does not count. */
  #skip(): void {
    this.#bytes = this.#read();
    this.#lookedAt = this.#clock.now().getTime();
  }

  /** The bytes since the last look that are no use. */
  #allowance(nowMs: number): number {
    const hour = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    const hadJobs = this.#lookedAt < hour + HOURLY_JOBS_MS && nowMs >= hour;
    return hadJobs ? HOURLY_JOBS_BYTES : NOISE_BYTES;
  }
}
