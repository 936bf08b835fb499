import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { makeDirectory } from '../base/files/dir.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import type { Fleet } from './fleet.ts';

/** What a log may grow beyond its limit in this time is all that it takes more. */
const TIDY_EVERY_MS = 10_000;
/** Unless that much space has gone, no log has grown by more, and nearly all need not be looked at. */
const NOTHING_GREW_BYTES = 1024 * 1024;
/** Space that was freed at the same time may hide what grew. */
const LOOK_EVERY_ROUNDS = 6;
/** Logs of databases that are gone only have to grow old. */
const SWEEP_EVERY_ROUNDS = 360;

/** Best effort: where logs cannot be kept, the daemon and its instances start all the same. */
export async function prepareLogs(directory: string, own: InstanceLog | null, log: Logger): Promise<void> {
  try {
    await makeDirectory(directory);
    await own?.prepare();
  } catch (error) {
    log.warn(
      `logs cannot be kept in ${directory}: ${messageOf(error)}; free space there, or set LOG_DIR to a directory that this user can write`,
    );
  }
}

/** Keeps every log within its limits, and removes those of databases that are gone. Returns what ends that. */
export function keepLogs(deps: {
  fleet: Fleet;
  /** The daemon's own log file. */
  own: InstanceLog | null;
  /** Where the logs of instances lie. */
  directory: string;
  retentionMs: number;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { fleet, own, clock, log } = deps;
  /** Logs that could not be tidied, so that this is said once until they can. */
  const told = new Set<string>();
  const attempt = async <T>(name: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      const result = await work();
      told.delete(name);
      return result;
    } catch (error) {
      if (told.has(name)) return null;
      told.add(name);
      log.warn(
        { instance: name },
        `its log cannot be kept within its limit, so it grows: ${messageOf(error)}; it needs free space, and a file system with holes (ext4, xfs, btrfs)`,
      );
      return null;
    }
  };
  let round = 0;
  /** The most that was free since the last look. */
  let wasFree = 0;
  return repeat(clock, TIDY_EVERY_MS, async () => {
    const free = await freeBytes(deps.directory);
    if (round % LOOK_EVERY_ROUNDS === 0 || wasFree - free > NOTHING_GREW_BYTES) {
      wasFree = free;
      const logs = own ? [...fleet.logs(), { name: 'fathomd', log: own }] : fleet.logs();
      // All at once: one after the other would wake the daemon up for each.
      const grown = await Promise.all(
        logs.map(({ name, log: file }) => attempt(name, () => file.hasGrown())),
      );
      for (const [index, { name, log: file }] of logs.entries()) {
        if (grown[index] === true) await attempt(name, () => file.tidy());
      }
    }
    wasFree = Math.max(wasFree, free);
    if (round % SWEEP_EVERY_ROUNDS === 0) {
      await sweep(deps).catch((error: unknown) => {
        log.warn(`old logs of databases that are gone cannot be removed: ${messageOf(error)}`);
      });
    }
    round += 1;
  });
}

/** 0 where that cannot be seen. */
async function freeBytes(directory: string): Promise<number> {
  const disk = await statfs(directory).catch(() => null);
  return disk === null ? 0 : disk.bfree * disk.bsize;
}

async function sweep(deps: Parameters<typeof keepLogs>[0]): Promise<void> {
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
