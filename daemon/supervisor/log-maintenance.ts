import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { makeDirectory } from '../base/files/dir.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import type { Fleet } from './fleet.ts';

/** A log can exceed its limit only by what it grows in this time. */
const TIDY_EVERY_MS = 10_000;
/** While the free space shrinks by less, no log has grown by more, so the logs are not checked. */
const GROWTH_BYTES = 1024 * 1024;
/** Logs are checked at least this often, because space that is freed elsewhere may hide their growth. */
const CHECK_EVERY_ROUNDS = 6;
/** Logs of removed databases are only removed after their retention. */
const REMOVE_EVERY_ROUNDS = 360;

/** Creates the log directory. Best effort: a failure does not block the start. */
export async function prepareLogs(directory: string, own: InstanceLog | null, log: Logger): Promise<void> {
  try {
    await makeDirectory(directory);
    await own?.prepare();
  } catch (error) {
    log.warn(
      `cannot write logs to ${directory}: ${messageOf(error)}; free space there, or set LOG_DIR to a directory that this user can write`,
    );
  }
}

/**
 * Keeps every log within its limits, and removes expired logs of removed databases.
 *
 * @returns the function that stops it
 */
export function maintainLogs(deps: {
  fleet: Fleet;
  /** The daemon's own log file. */
  own: InstanceLog | null;
  /** The directory of the logs of instances. */
  directory: string;
  retentionMs: number;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { fleet, own, clock, log } = deps;
  /** Logs whose failure has been reported, so that it is reported once. */
  const reported = new Set<string>();
  const attempt = async <T>(name: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      const result = await work();
      reported.delete(name);
      return result;
    } catch (error) {
      if (reported.has(name)) return null;
      reported.add(name);
      log.warn(
        { instance: name },
        `cannot keep the log within its limit, so it grows: ${messageOf(error)}; it needs free space, and a file system with holes (ext4, xfs, btrfs)`,
      );
      return null;
    }
  };
  let round = 0;
  /** The largest free space since the last check. */
  let maxFree = 0;
  return repeat(clock, TIDY_EVERY_MS, async () => {
    const free = await freeBytes(deps.directory);
    if (round % CHECK_EVERY_ROUNDS === 0 || maxFree - free > GROWTH_BYTES) {
      maxFree = free;
      const logs = own ? [...fleet.logs(), { name: 'fathomd', log: own }] : fleet.logs();
      // All at the same time: in sequence, each would wake up the daemon.
      const grown = await Promise.all(
        logs.map(({ name, log: file }) => attempt(name, () => file.hasGrown())),
      );
      for (const [index, { name, log: file }] of logs.entries()) {
        if (grown[index] === true) await attempt(name, () => file.tidy());
      }
    }
    maxFree = Math.max(maxFree, free);
    if (round % REMOVE_EVERY_ROUNDS === 0) {
      await removeExpiredLogs(deps).catch((error: unknown) => {
        log.warn(`cannot remove expired logs of removed databases: ${messageOf(error)}`);
      });
    }
    round += 1;
  });
}

/** The free bytes of the disk; 0 when they cannot be read. */
async function freeBytes(directory: string): Promise<number> {
  const disk = await statfs(directory).catch(() => null);
  return disk === null ? 0 : disk.bfree * disk.bsize;
}

async function removeExpiredLogs(deps: Parameters<typeof maintainLogs>[0]): Promise<void> {
  const { directory, fleet, clock, retentionMs } = deps;
  for (const file of await readdir(directory)) {
    const path = join(directory, file);
    const { mtimeMs } = await stat(path);
    const isOld = clock.now().getTime() - mtimeMs > retentionMs;
    if (isOld && fleet.find(file.replace(/\.(?:log|old|runs)$/, '')) === null) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
