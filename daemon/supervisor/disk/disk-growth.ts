import { statfsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Clock } from '../../base/time/clock.ts';

/** Another database can free the space that one takes. So all are read at least this often. */
const READ_ALL_EVERY_MS = 60_000;

/** Magic numbers of ext4, XFS and tmpfs in statfs(2). They count data as used before it is written to the disk. */
const COUNTS_AT_ONCE: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x01021994]);

/**
 * Says when files on a disk can have grown, so that an idle fleet is not read again and again: databases together grow by
 * no more than the free space falls. What hides behind space that is freed at the same time does not fill the disk.
 */
export class DiskGrowth {
  readonly #clock: Clock;
  readonly #readFree: () => number | null;
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  /** The most free space since all were read last. */
  #mostFree = 0;

  /** @param readFree free bytes of the disk; null if they are unknown, or known late */
  constructor(clock: Clock, readFree: () => number | null) {
    this.#clock = clock;
    this.#readFree = readFree;
  }

  /**
   * Whether all databases must be read now. The caller then does so.
   *
   * @param afterBytes the growth that may remain unknown
   */
  mustReadAll(afterBytes: number): boolean {
    const nowMs = this.#clock.monotonic();
    const free = this.#readFree();
    this.#mostFree = Math.max(this.#mostFree, free ?? 0);
    const isDue = nowMs - this.#readAllAtMs >= READ_ALL_EVERY_MS;
    if (!isDue && free !== null && this.#mostFree - free < afterBytes) return false;
    this.#readAllAtMs = nowMs;
    this.#mostFree = free ?? 0;
    return true;
  }
}

/**
 * Free bytes of the disk of a directory; null where they cannot be read or follow a write late, as on Btrfs and ZFS. A read
 * takes 2 µs; one that does not block takes 100 µs of other threads.
 */
export function freeBytesAtOnce(directory: string): number | null {
  try {
    const { type, bfree, bsize } = statfsSync(directory);
    return COUNTS_AT_ONCE.has(type) ? bfree * bsize : null;
  } catch {
    return null;
  }
}

/** Whether two directories are on the same disk; false if one cannot be read. */
export async function areOnOneDisk(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path).catch(() => null)));
  return a?.dev !== undefined && a.dev === b?.dev;
}
