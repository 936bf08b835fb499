import type { Usage } from '../../../shared/api/instances.ts';
import type { Clock } from '../../base/time/clock.ts';
import { connectionsByLocalPort, processStat, pssBytes } from '../../pocketbase/process/procfs.ts';
import { databaseUsage } from '../disk/database-usage.ts';

/** Reading the size of a data directory costs more than the rest of a sample, and it changes slowly. */
const DISK_EVERY_MS = 5 * 60_000;

/**
 * The kernel walks all memory of a process to compute its proportional set size. It is read again after this time, or when
 * the resident memory has changed by more than this fraction.
 */
const PSS_EVERY_MS = 5 * 60_000;
const PSS_RESIDENT_CHANGE = 0.02;

/** A shorter use of all processors is normal, for example while a list is read. */
const SUSTAINED_MS = 30_000;

interface CpuReading {
  pid: number;
  cpuSeconds: number;
  atMs: number;
  /** The rate up to this reading; null for the first one. */
  percent: number | null;
}

interface PssReading {
  pid: number;
  residentPages: number;
  pssBytes: number;
  atMs: number;
}

export interface SampleTarget {
  name: string;
  pid: number;
  port: number;
  directory: string;
}

/** Reads the resource usage of instances. Keeps earlier readings for rates and for values that are read rarely. */
export class Sampler {
  readonly #clock: Clock;
  readonly #cpu = new Map<string, CpuReading>();
  readonly #sustainedCpu = new Map<string, CpuReading>();
  readonly #pss = new Map<string, PssReading>();
  readonly #disk = new Map<string, { bytes: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Yields the usage of each target. The table of connections is read once for all. */
  async *sample(targets: Iterable<SampleTarget>): AsyncGenerator<[name: string, usage: Usage]> {
    const connections = await connectionsByLocalPort();
    for (const target of targets) {
      const process = processStat(target.pid);
      const pss = process ? await this.#pssBytes(target, process.residentPages) : null;
      const disk = await this.#diskBytes(target);
      yield [
        target.name,
        {
          at: this.#clock.now().toISOString(),
          pss_bytes: pss,
          cpu_percent: process ? this.#cpuPercent(this.#cpu, target, process.cpuSeconds, 0) : null,
          sustained_cpu_percent: process
            ? this.#cpuPercent(this.#sustainedCpu, target, process.cpuSeconds, SUSTAINED_MS)
            : null,
          disk_bytes: disk,
          open_connections: connections.get(target.port) ?? 0,
        },
      ];
    }
  }

  recordDiskBytes(name: string, bytes: number): void {
    this.#disk.set(name, { bytes, atMs: this.#clock.monotonic() });
  }

  remove(name: string): void {
    this.#cpu.delete(name);
    this.#sustainedCpu.delete(name);
    this.#pss.delete(name);
    this.#disk.delete(name);
  }

  /** The rate since the last reading, which is at least `leastMs` old; until then the rate before it. */
  #cpuPercent(
    readings: Map<string, CpuReading>,
    { name, pid }: SampleTarget,
    cpuSeconds: number,
    leastMs: number,
  ): number | null {
    const atMs = this.#clock.monotonic();
    const before = readings.get(name);
    if (!before || before.pid !== pid) {
      readings.set(name, { pid, cpuSeconds, atMs, percent: null });
      return null;
    }
    const elapsedMs = atMs - before.atMs;
    if (elapsedMs <= 0 || elapsedMs < leastMs) return before.percent;
    const percent = Math.round(((cpuSeconds - before.cpuSeconds) / (elapsedMs / 1000)) * 1000) / 10;
    readings.set(name, { pid, cpuSeconds, atMs, percent });
    return percent;
  }

  async #pssBytes({ name, pid }: SampleTarget, residentPages: number): Promise<number | null> {
    const atMs = this.#clock.monotonic();
    const known = this.#pss.get(name);
    const isCurrent =
      known?.pid === pid &&
      atMs - known.atMs < PSS_EVERY_MS &&
      Math.abs(residentPages - known.residentPages) < known.residentPages * PSS_RESIDENT_CHANGE;
    if (isCurrent) return known.pssBytes;
    const bytes = await pssBytes(pid);
    // After a failure, read again at the next sample.
    if (bytes === null) this.#pss.delete(name);
    else this.#pss.set(name, { pid, residentPages, pssBytes: bytes, atMs });
    return bytes;
  }

  async #diskBytes({ name, directory }: SampleTarget): Promise<number | null> {
    const atMs = this.#clock.monotonic();
    const known = this.#disk.get(name);
    if (known && atMs - known.atMs < DISK_EVERY_MS) return known.bytes;
    // A file may be removed during the walk.
    const bytes = await databaseUsage(directory).then(
      (usage) => usage.bytes,
      () => null,
    );
    if (bytes !== null) this.#disk.set(name, { bytes, atMs });
    return bytes;
  }
}
