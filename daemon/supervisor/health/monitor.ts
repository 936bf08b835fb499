import { statfs } from 'node:fs/promises';
import { freemem, loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { DaemonUsage } from '../../../shared/api/daemon.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { EventBus } from '../../events/bus.ts';
import type { Fleet } from '../fleet.ts';

/** While somebody watches. A sample of one instance costs about a quarter of a millisecond. */
const WATCHED_INTERVAL_MS = 2_000;
const WATCHED_MS_PER_INSTANCE = 10;
/** While nobody does; whoever scrapes metrics sees readings of at most this age. */
const IDLE_INTERVAL_MS = 60_000;
const FIRST_SAMPLE_AFTER_MS = 5_000;
const EVENT_LOOP_RESOLUTION_MS = 100;

/** Samples the fleet and the daemon itself: often while a console looks on, rarely otherwise. */
export class Monitor {
  readonly #deps: {
    fleet: Fleet;
    bus: EventBus;
    clock: Clock;
    log: Logger;
    /** Where Fathom writes; disks are looked at by them. */
    directories: readonly string[];
  };
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #loop: Promise<void> | null = null;
  #watchers = 0;
  #rounds = 0;
  #usage: DaemonUsage | null = null;
  #cpu = process.cpuUsage();
  #cpuAtMs: number;
  readonly #delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });

  constructor(deps: {
    fleet: Fleet;
    bus: EventBus;
    clock: Clock;
    log: Logger;
    directories: readonly string[];
  }) {
    this.#deps = deps;
    this.#cpuAtMs = deps.clock.monotonic();
  }

  get usage(): DaemonUsage | null {
    return this.#usage;
  }

  start(): void {
    this.#delay.enable();
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#delay.disable();
    await this.#loop;
  }

  /** Asks for frequent samples until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) this.#wake.abort();
    let watching = true;
    return () => {
      if (watching) this.#watchers -= 1;
      watching = false;
    };
  }

  async #run(): Promise<void> {
    const { fleet, bus, clock, log } = this.#deps;
    const stopped = this.#stop.signal;
    while (!stopped.aborted) {
      this.#wake = new AbortController();
      try {
        this.#usage = await this.#daemonUsage();
        bus.publish({ kind: 'daemon.usage', usage: this.#usage });
        // Not right away: the fleet is starting then, and has better use for the processor.
        if (this.#rounds > 0) await fleet.sample();
        this.#rounds += 1;
      } catch (error) {
        log.warn({ err: error }, `sampling failed: ${messageOf(error)}`);
      }
      await clock.sleep(this.#intervalMs(), AbortSignal.any([stopped, this.#wake.signal]));
    }
  }

  #intervalMs(): number {
    if (this.#rounds <= 1) return FIRST_SAMPLE_AFTER_MS;
    if (this.#watchers === 0) return IDLE_INTERVAL_MS;
    return Math.max(WATCHED_INTERVAL_MS, this.#deps.fleet.size * WATCHED_MS_PER_INSTANCE);
  }

  async #daemonUsage(): Promise<DaemonUsage> {
    const { clock, directories } = this.#deps;
    const atMs = clock.monotonic();
    const spent = process.cpuUsage(this.#cpu);
    const elapsedMs = atMs - this.#cpuAtMs;
    this.#cpu = process.cpuUsage();
    this.#cpuAtMs = atMs;
    const disk = await fullestDisk(directories);
    const delayMs = this.#delay.mean / 1e6 - EVENT_LOOP_RESOLUTION_MS;
    this.#delay.reset();
    return {
      at: clock.now().toISOString(),
      rss_bytes: process.memoryUsage.rss(),
      cpu_percent: elapsedMs > 100 ? round((spent.user + spent.system) / 10 / elapsedMs) : null,
      event_loop_delay_ms: Number.isFinite(delayMs) ? round(Math.max(0, delayMs)) : 0,
      load_1m: round(loadavg()[0] ?? 0),
      memory_free_bytes: freemem(),
      disk_free_bytes: disk?.freeBytes ?? null,
      disk_path: disk?.path ?? null,
    };
  }
}

/** The disk with the least free space of those that directories lie on; null when none can be looked at. */
async function fullestDisk(
  directories: readonly string[],
): Promise<{ path: string; freeBytes: number } | null> {
  const disks = await Promise.all(
    directories.map(async (path) => {
      const disk = await statfs(path).catch(() => null);
      return disk && { path, freeBytes: disk.bavail * disk.bsize };
    }),
  );
  return disks.reduce(
    (fullest, disk) => (disk && (!fullest || disk.freeBytes < fullest.freeBytes) ? disk : fullest),
    null,
  );
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
