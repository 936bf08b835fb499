import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { DaemonUsage } from '../../../shared/api/daemon.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { EventBus } from '../../events/bus.ts';
import type { DiskReserve } from '../disk/disk-reserve.ts';
import type { Fleet } from '../fleet.ts';

/** The interval while a console is connected. A sample of one instance takes about 0.25 ms. */
const WATCHED_INTERVAL_MS = 2_000;
const WATCHED_MS_PER_INSTANCE = 10;
/** The interval without a console, which is the maximum age of readings in the metrics. */
const IDLE_INTERVAL_MS = 60_000;
const FIRST_SAMPLE_AFTER_MS = 5_000;
/** Each reading wakes the process. */
const EVENT_LOOP_RESOLUTION_MS = 500;

interface MonitorDeps {
  fleet: Fleet;
  reserve: DiskReserve;
  bus: EventBus;
  clock: Clock;
  log: Logger;
  /** The directories that Fathom writes to. Their disks are sampled. */
  directories: readonly string[];
}

/** Samples the fleet and the daemon itself: often while a console is connected, rarely otherwise. */
export class Monitor {
  readonly #deps: MonitorDeps;
  #loop: Loop | null = null;
  #watchers = 0;
  #rounds = 0;
  #usage: DaemonUsage | null = null;
  #cpu = process.cpuUsage();
  #cpuAtMs: number;
  readonly #delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });

  constructor(deps: MonitorDeps) {
    this.#deps = deps;
    this.#cpuAtMs = deps.clock.monotonic();
    deps.reserve.onChange(() => this.#loop?.wake());
  }

  get usage(): DaemonUsage | null {
    return this.#usage;
  }

  start(): void {
    this.#delay.enable();
    this.#loop ??= startLoop(this.#deps.clock, () => this.#sample());
  }

  async stop(): Promise<void> {
    this.#delay.disable();
    await this.#loop?.stop();
  }

  /** Samples frequently until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) this.#loop?.wake();
    let watching = true;
    return () => {
      if (watching) this.#watchers -= 1;
      watching = false;
    };
  }

  /** Returns the milliseconds to the next sample. */
  async #sample(): Promise<number> {
    const { fleet, bus, log } = this.#deps;
    try {
      this.#usage = await this.#daemonUsage();
      bus.publish({ kind: 'daemon.usage', usage: this.#usage });
      // Not in the first round: the fleet is starting then and needs the processor.
      if (this.#rounds > 0) await fleet.sample();
      this.#rounds += 1;
    } catch (error) {
      log.warn({ err: error }, `sampling failed: ${messageOf(error)}`);
    }
    return this.#intervalMs();
  }

  #intervalMs(): number {
    if (this.#rounds <= 1) return FIRST_SAMPLE_AFTER_MS;
    if (this.#watchers === 0) return IDLE_INTERVAL_MS;
    return Math.max(WATCHED_INTERVAL_MS, this.#deps.fleet.withProcess().length * WATCHED_MS_PER_INSTANCE);
  }

  async #daemonUsage(): Promise<DaemonUsage> {
    const { clock, directories, reserve } = this.#deps;
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
      memory_total_bytes: totalmem(),
      processors: availableParallelism(),
      disk_free_bytes: disk?.freeBytes ?? null,
      disk_path: disk?.path ?? null,
      disk_reserve_bytes: reserve.state.bytes,
      writes_held: reserve.state.isHeld,
    };
  }
}

/** The disk of these directories with the least free space; null when none can be read. */
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
