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
/** Logs of removed and of stopped databases only expire. */
const EXPIRE_EVERY_ROUNDS = 360;

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
  const tidy = async (logs: ReadonlyMap<string, InstanceLog>): Promise<void> => {
    // All at the same time: in sequence, each would wake up the daemon.
    const grown = await Promise.all(
      Array.from(logs, async ([name, file]) => ({
        name,
        file,
        has: await attempt(name, () => file.hasGrown()),
      })),
    );
    for (const { name, file, has } of grown) if (has === true) await attempt(name, () => file.tidy());
  };
  /** Logs of processes at the last check. A process may have ended since. */
  let written: ReadonlyMap<string, InstanceLog> = new Map();
  let round = 0;
  /** The largest free space since the last check. */
  let maxFree = 0;
  return repeat(clock, TIDY_EVERY_MS, async () => {
    const free = await freeBytes(deps.directory);
    if (round % CHECK_EVERY_ROUNDS === 0 || maxFree - free > GROWTH_BYTES) {
      maxFree = free;
      const before = written;
      written = new Map(fleet.withProcess().map(({ spec: { name, log: file } }) => [name, file]));
      await tidy(new Map([...before, ...written, ...(own ? [['fathomd', own] as const] : [])]));
    }
    maxFree = Math.max(maxFree, free);
    if (round % EXPIRE_EVERY_ROUNDS === 0) {
      try {
        const names = await readdir(deps.directory);
        await tidy(logsWithParts(names, fleet));
        await removeExpiredLogs(names, deps);
      } catch (error) {
        log.warn(`cannot remove expired logs: ${messageOf(error)}`);
      }
    }
    round += 1;
  });
}

/** The free bytes of the disk; 0 when they cannot be read. */
async function freeBytes(directory: string): Promise<number> {
  const disk = await statfs(directory).catch(() => null);
  return disk === null ? 0 : disk.bfree * disk.bsize;
}

/** Logs that were too large for one file, also of stopped instances. */
function logsWithParts(files: readonly string[], fleet: Fleet): Map<string, InstanceLog> {
  const names = files.filter((file) => file.endsWith('.old')).map((file) => file.slice(0, -'.old'.length));
  const runners = names.flatMap((name) => fleet.find(name) ?? []);
  return new Map(runners.map(({ spec }) => [spec.name, spec.log]));
}

async function removeExpiredLogs(
  files: readonly string[],
  { directory, fleet, clock, retentionMs }: Parameters<typeof maintainLogs>[0],
): Promise<void> {
  for (const file of files) {
    if (fleet.find(file.replace(/\.(?:log|old|runs)$/, '')) !== null) continue;
    const path = join(directory, file);
    const { mtimeMs } = await stat(path);
    if (clock.now().getTime() - mtimeMs > retentionMs) await rm(path, { recursive: true, force: true });
  }
}
