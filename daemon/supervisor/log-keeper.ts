import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { repeat } from '../base/repeat.ts';
import type { InstanceLog } from '../pocketbase/instance-log.ts';
import type { Fleet } from './fleet.ts';

/** What a log may grow beyond its limit in this time is all that it takes more. */
const TIDY_EVERY_MS = 10_000;
/** Logs of databases that are gone only have to grow old. */
const SWEEP_EVERY_ROUNDS = 360;

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
  /** Logs that could not be tidied, so that this is said once. */
  const told = new Set<string>();
  const tidy = async (name: string, file: InstanceLog) => {
    try {
      await file.tidy();
      told.delete(name);
    } catch (error) {
      if (told.has(name)) return;
      told.add(name);
      log.warn(
        { instance: name },
        `its log cannot be kept within its limit, so it grows: ${messageOf(error)}; it needs free space, and a file system with holes (ext4, xfs, btrfs)`,
      );
    }
  };
  let round = 0;
  return repeat(clock, TIDY_EVERY_MS, async () => {
    if (own) await tidy('fathomd', own);
    for (const { name, log: file } of fleet.logs()) await tidy(name, file);
    if (round % SWEEP_EVERY_ROUNDS === 0) {
      await sweep(deps).catch((error: unknown) => {
        log.warn(`old logs of databases that are gone cannot be removed: ${messageOf(error)}`);
      });
    }
    round += 1;
  });
}

async function sweep(deps: Parameters<typeof keepLogs>[0]): Promise<void> {
  const { directory, fleet, clock, retentionMs } = deps;
  for (const file of await readdir(directory)) {
    const path = join(directory, file);
    const { mtimeMs } = await stat(path);
    const isOld = clock.now().getTime() - mtimeMs > retentionMs;
    if (isOld && fleet.find(file.replace(/\.(?:log|old)$/, '')) === null) {
      await rm(path, { recursive: true, force: true });
    }
  }
}
