import type { Clock } from '../../base/time/clock.ts';

/** The interval of checks. Measured: an instance that decodes a large image grows by about 700 MB per second. */
const CHECK_EVERY_MS = 200;
/** The interval of readings of instances that are far from their limit. One reading takes 6 µs. */
const READ_ALL_EVERY_MS = 2_000;
/** The memory of the host that may be taken until all instances are read before that. */
const READ_ALL_AFTER_BYTES = 32 * 1024 * 1024;
/** The fraction of its limit from which on an instance is read at every check. */
const CLOSE_TO_LIMIT = 0.5;
/** The interval while no instance has a limit. */
const UNLIMITED_INTERVAL_MS = 2_000;

export interface MemoryReadings {
  /** Memory of one process without pages that it shares with others; null when it cannot be read. */
  ofProcess: (pid: number) => number | null;
  /** Memory of the host that programs can still get. */
  available: () => number;
}

export interface MemoryWatch extends Disposable {
  /** Aborts when the process uses more than its limit. */
  readonly exceeded: AbortSignal;
  /** The last reading. */
  readonly bytes: number;
}

interface Watched {
  pid: number;
  limit: () => number | null;
  /** Null before the first reading. */
  bytes: number | null;
  readonly exceeded: AbortController;
}

/**
 * Finds instances that use more memory than their limit. Few readings find a fast growth: all instances are read when the
 * available memory of the host falls, and otherwise only those that are close to their limit.
 */
export class MemoryGuard {
  readonly #clock: Clock;
  readonly #read: MemoryReadings;
  readonly #watched = new Set<Watched>();
  #isRunning = false;
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  /** The most available memory since the last reading of all instances. */
  #mostAvailable = 0;

  constructor(clock: Clock, read: MemoryReadings) {
    this.#clock = clock;
    this.#read = read;
  }

  /** @param limit returns the limit in force in bytes; null without a limit */
  watch(pid: number, limit: () => number | null): MemoryWatch {
    const watched: Watched = { pid, limit, bytes: null, exceeded: new AbortController() };
    this.#watched.add(watched);
    if (!this.#isRunning) void this.#run();
    return {
      exceeded: watched.exceeded.signal,
      get bytes() {
        return watched.bytes ?? 0;
      },
      [Symbol.dispose]: () => {
        this.#watched.delete(watched);
      },
    };
  }

  /** Ends when nothing is watched. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#watched.size > 0) await this.#clock.sleep(this.#check());
    this.#isRunning = false;
  }

  /** Returns the milliseconds to the next check. */
  #check(): number {
    const limited = [...this.#watched].flatMap((watched) => {
      const limit = watched.limit();
      return limit === null ? [] : [{ watched, limit }];
    });
    if (limited.length === 0) return UNLIMITED_INTERVAL_MS;
    const readsAll = this.#mustReadAll();
    for (const { watched, limit } of limited) {
      if (!readsAll && watched.bytes !== null && watched.bytes < limit * CLOSE_TO_LIMIT) continue;
      watched.bytes = this.#read.ofProcess(watched.pid) ?? 0;
      if (watched.bytes <= limit) continue;
      this.#watched.delete(watched);
      watched.exceeded.abort();
    }
    return CHECK_EVERY_MS;
  }

  #mustReadAll(): boolean {
    const nowMs = this.#clock.monotonic();
    const available = this.#read.available();
    this.#mostAvailable = Math.max(this.#mostAvailable, available);
    const isDue = nowMs - this.#readAllAtMs >= READ_ALL_EVERY_MS;
    if (!isDue && this.#mostAvailable - available < READ_ALL_AFTER_BYTES) return false;
    this.#readAllAtMs = nowMs;
    this.#mostAvailable = available;
    return true;
  }
}
