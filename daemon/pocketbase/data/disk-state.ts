import { closeSync, openSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { Clock } from '../../base/time/clock.ts';

/** What the disk of `dataDir` does not allow now; `device` is the one that its files are on. */
export type LimitsOfDisk = (device: number, dataDir: string) => Promise<PhaseReason | null>;

/** With less than this a write of some size fails. */
const FULL_BYTES = 1024 * 1024;
/** A fleet lies on one disk, or a few: what one instance shows holds for all that are looked at in this time. */
const HOLDS_FOR_MS = 1_000;

type Limit = 'read_only' | 'disk_full' | null;

/** Looks at each disk once for all instances on it. */
export function diskInspector(clock: Clock): LimitsOfDisk {
  const looks = new Map<number, { atMs: number; limit: Promise<Limit> }>();
  return async (device, dataDir) => {
    const atMs = clock.monotonic();
    let look = looks.get(device);
    if (!look || atMs - look.atMs >= HOLDS_FOR_MS) {
      look = { atMs, limit: limitOf(dataDir) };
      looks.set(device, look);
    }
    return reasonOf(await look.limit, dataDir);
  };
}

/** Nothing can be written, whoever asks. */
export function readOnly(dataDir: string): PhaseReason | null {
  return isReadOnly(dataDir) ? reasonOf('read_only', dataDir) : null;
}

async function limitOf(dataDir: string): Promise<Limit> {
  if (isReadOnly(dataDir)) return 'read_only';
  const disk = await statfs(dataDir).catch(() => null);
  return disk === null || disk.bavail * disk.bsize >= FULL_BYTES ? null : 'disk_full';
}

function isReadOnly(dataDir: string): boolean {
  try {
    // Only opening tells: after an error, access(2) still says yes on some file systems.
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
        message: `the file system of ${dataDir} is read-only; see 'dmesg' for why, then 'mount -o remount,rw' it; writes work again by themselves`,
      };
    case 'disk_full':
      return {
        code: 'disk_full',
        message: `the disk of ${dataDir} is full, so writes fail; free some space, they then work again by themselves`,
      };
    default:
      return null;
  }
}
