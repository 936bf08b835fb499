import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Usage } from '../../../shared/api/instances.ts';
import type { Clock } from '../../base/time/clock.ts';
import { connectionsByLocalPort, processStat, pssBytes } from '../../pocketbase/process/procfs.ts';

/** Walking a data directory costs more than the rest of a sample, and changes slowly. */
const DISK_EVERY_MS = 5 * 60_000;

/**
 * The kernel walks all of a process's memory to tell its share. Whether that can have changed much is seen in what the
 * process has altogether; how many others share it changes slowly.
 */
const SHARE_EVERY_MS = 5 * 60_000;
const SHARE_CHANGED_BY = 0.02;

interface Before {
  pid: number;
  cpuSeconds: number;
  atMs: number;
}

interface Share {
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

/** Reads what instances use of the host, and remembers what a rate or a rare reading needs. */
export class Sampler {
  readonly #clock: Clock;
  readonly #before = new Map<string, Before>();
  readonly #share = new Map<string, Share>();
  readonly #disk = new Map<string, { bytes: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One usage after the other; the table of connections is read once for all. */
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
          cpu_percent: process ? this.#cpuPercent(target, process.cpuSeconds) : null,
          disk_bytes: disk,
          open_connections: connections.get(target.port) ?? 0,
        },
      ];
    }
  }

  forget(name: string): void {
    this.#before.delete(name);
    this.#share.delete(name);
    this.#disk.delete(name);
  }

  #cpuPercent({ name, pid }: SampleTarget, cpuSeconds: number): number | null {
    const atMs = this.#clock.monotonic();
    const before = this.#before.get(name);
    this.#before.set(name, { pid, cpuSeconds, atMs });
    if (!before || before.pid !== pid || atMs <= before.atMs) return null;
    return Math.round(((cpuSeconds - before.cpuSeconds) / ((atMs - before.atMs) / 1000)) * 1000) / 10;
  }

  async #pssBytes({ name, pid }: SampleTarget, residentPages: number): Promise<number | null> {
    const atMs = this.#clock.monotonic();
    const known = this.#share.get(name);
    const isSame =
      known?.pid === pid &&
      atMs - known.atMs < SHARE_EVERY_MS &&
      Math.abs(residentPages - known.residentPages) < known.residentPages * SHARE_CHANGED_BY;
    if (isSame) return known.pssBytes;
    const bytes = await pssBytes(pid);
    // What could not be read once is asked for again.
    if (bytes === null) this.#share.delete(name);
    else this.#share.set(name, { pid, residentPages, pssBytes: bytes, atMs });
    return bytes;
  }

  async #diskBytes({ name, directory }: SampleTarget): Promise<number | null> {
    const atMs = this.#clock.monotonic();
    const known = this.#disk.get(name);
    if (known && atMs - known.atMs < DISK_EVERY_MS) return known.bytes;
    // A file may go while it is walked.
    const bytes = await directoryBytes(directory).catch(() => null);
    if (bytes !== null) this.#disk.set(name, { bytes, atMs });
    return bytes;
  }
}

/** Bytes on disk of a directory and everything below; a file that hard links share counts with its share. */
export async function directoryBytes(directory: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      total += await directoryBytes(path);
    } else if (entry.isFile()) {
      const { blocks, nlink } = await stat(path);
      total += Math.round((blocks * 512) / Math.max(nlink, 1));
    }
  }
  return total;
}
