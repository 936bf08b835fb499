import { closeSync, openSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { Clock } from '../../base/time/clock.ts';

/** Why writes to the disk of `dataDir` fail now, null when they work. `device` is the device of its files. */
export type DiskInspector = (device: number, dataDir: string) => Promise<PhaseReason | null>;

/** With less free space, larger writes fail. */
const FULL_BYTES = 1024 * 1024;
/** The result for a disk is shared by all instances on it for this time. */
const CACHE_MS = 1_000;

type Limit = 'read_only' | 'disk_full' | null;

/** Checks each disk once for all instances on it. */
export function diskInspector(clock: Clock): DiskInspector {
  const checks = new Map<number, { atMs: number; limit: Promise<Limit> }>();
  return async (device, dataDir) => {
    const atMs = clock.monotonic();
    let check = checks.get(device);
    if (!check || atMs - check.atMs >= CACHE_MS) {
      check = { atMs, limit: findLimit(dataDir) };
      checks.set(device, check);
    }
    return reasonOf(await check.limit, dataDir);
  };
}

/** The reason of a read-only file system; null when it can be written. */
export function readOnlyReason(dataDir: string): PhaseReason | null {
  return isReadOnly(dataDir) ? reasonOf('read_only', dataDir) : null;
}

/** Why writes in a directory with a `data.db` fail now; null when they work. */
export async function writeProblem(dataDir: string): Promise<PhaseReason | null> {
  return reasonOf(await findLimit(dataDir), dataDir);
}

async function findLimit(dataDir: string): Promise<Limit> {
  if (isReadOnly(dataDir)) return 'read_only';
  const disk = await statfs(dataDir).catch(() => null);
  return disk === null || disk.bavail * disk.bsize >= FULL_BYTES ? null : 'disk_full';
}

function isReadOnly(dataDir: string): boolean {
  try {
    // Opens the file, because access(2) still succeeds on some file systems after an error.
    closeSync(openSync(join(dataDir, 'data.db'), 'r+'));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

function reasonOf(limit: Limit, dataDir: string): PhaseReason | null {
  switch (limit) {
    case 'read_only':
      return {
        code: 'read_only',
        message: `the file system of ${dataDir} is read-only; find the cause with 'dmesg', then run 'mount -o remount,rw' on it; writes then work again by themselves`,
      };
    case 'disk_full':
      return {
        code: 'disk_full',
        message: `the disk of ${dataDir} is full, so writes fail; free some space ('fathomd databases usage' shows the largest databases), writes then work again by themselves`,
      };
    default:
      return null;
  }
}
