import { readdir, readlink, stat } from 'node:fs/promises';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { startLoop } from '../../base/time/repeat.ts';
import { writtenBytes } from '../../pocketbase/process/procfs.ts';
import type { Fleet } from '../fleet.ts';
import { addHook, hasHook, loadsHook, removeHook } from '../instance-hooks.ts';
import { temporaryDirOf } from '../instance-spec.ts';
import type { Runner } from '../runner.ts';
import { directoryBytes } from './database-usage.ts';
import { areOnOneDisk, DiskGrowth, freeBytesAtOnce } from './disk-growth.ts';
import type { DiskReasons } from './disk-limit.ts';
import type { DiskReserve } from './disk-reserve.ts';
import {
  growthCheckOf,
  isFarFromBound,
  MIN_WAIT_MS,
  nextUploadCheck,
  nextUploadStep,
  uploadBoundOf,
} from './upload-bound.ts';

/** Temporary files are measured again after this many times the time that it took: at most a fifth of a core. */
const MEASURE_SHARE = 4;
/** The wait after a failure, or before the process is known. */
const LOOK_EVERY_MS = 1_000;
const DELETED = ' (deleted)';
const OWN_REASONS: ReadonlySet<PhaseReason['code']> = new Set(['over_uploads']);

/** Known to a daemon that did not limit them itself. */
const LIMITED: PhaseReason = {
  code: 'over_uploads',
  message: 'unfinished uploads took too much space for temporary files, so uploads are limited',
};

interface Watched {
  pid: number | null;
  bytes: number | null;
  written: number | null;
  measuredAtMs: number;
  /** When the files were over the bound, or the first look. */
  overAtMs: number;
  restartedAtMs: number;
  isRestarting: boolean;
  dueMs: number;
  /** Its files are on the disk whose growth is known. */
  isOnDisk: boolean;
  /** Not read until the disk shows growth: it was far from its bound. */
  isAtRest: boolean;
}

/**
 * Bounds the temporary files of user databases. PocketBase stores a body in `tmp` before it asks who sends it, and keeps it
 * while the client pauses. The files of a process cannot be removed without harm to uploads of the owner: a truncated one
 * would be stored. So the instance is restarted with a hook that refuses such bodies before they are read.
 *
 * @returns the function that stops it
 */
export function watchUploads({
  fleet,
  directory,
  reserve,
  reasons,
  clock,
  log,
}: {
  fleet: Fleet;
  /** Of user databases. */
  directory: string;
  reserve: DiskReserve;
  /** Of databases whose uploads are limited. The supervisor shows them. */
  reasons: DiskReasons;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const watched = new Map<string, Watched>();
  const restarts = new Set<Promise<void>>();
  const growth = new DiskGrowth(clock, () => freeBytesAtOnce(directory));
  let wasHeld = false;

  const watchedOf = (name: string): Watched => {
    const nowMs = clock.monotonic();
    const known = watched.get(name) ?? {
      pid: null,
      bytes: null,
      written: null,
      measuredAtMs: nowMs,
      overAtMs: nowMs,
      restartedAtMs: Number.NEGATIVE_INFINITY,
      isRestarting: false,
      dueMs: nowMs,
      isOnDisk: false,
      isAtRest: false,
    };
    watched.set(name, known);
    return known;
  };

  /** Returns the milliseconds until the next check. */
  const check = async (runner: Runner, isHeld: boolean): Promise<number> => {
    const { spec, state } = runner;
    const { pid } = state.observed;
    if (pid === null) return LOOK_EVERY_MS;
    const known = watchedOf(spec.name);
    if (known.isRestarting) return MIN_WAIT_MS;
    const nowMs = clock.monotonic();
    if (known.dueMs > nowMs) return known.dueMs - nowMs;
    const bound = uploadBoundOf(spec.limits().disk_bytes, { isHeld });
    const written = writtenBytes(pid);
    const isSameProcess = known.pid === pid && written !== null && known.written !== null;
    const sinceThen = {
      bytes: known.bytes,
      written: isSameProcess ? written - (known.written ?? 0) : null,
      sinceMs: nowMs - known.measuredAtMs,
      bound,
    };
    const step = nextUploadCheck(sinceThen);
    if (step === 'measure') {
      const bytes = await temporaryBytes(spec.directory, pid);
      const isOnDisk = await areOnOneDisk(spec.directory, directory);
      Object.assign(known, { pid, bytes, written, measuredAtMs: nowMs, isOnDisk });
      await settle(runner, known, { pid, bytes, bound });
      runner.state.showLimitation(reasons.get(spec.name) ?? null, OWN_REASONS);
    }
    const tookMs = clock.monotonic() - nowMs;
    const waitMs = step === 'measure' ? Math.max(MIN_WAIT_MS, tookMs * MEASURE_SHARE) : step;
    known.dueMs = clock.monotonic() + waitMs;
    // After a measurement, the next check decides.
    known.isAtRest = step !== 'measure' && known.isOnDisk && isFarFromBound(sinceThen);
    return waitMs;
  };

  const settle = async (
    { spec }: Runner,
    known: Watched,
    { pid, bytes, bound }: { pid: number; bytes: number; bound: number },
  ): Promise<void> => {
    const nowMs = clock.monotonic();
    const isOver = bytes > bound;
    if (isOver) known.overAtMs = nowMs;
    const isLimited = hasHook(spec.directory, 'limit-uploads');
    if (isLimited && !reasons.has(spec.name)) reasons.set(spec.name, LIMITED);
    const step = nextUploadStep({
      isOver,
      isLimited,
      hasLimits: loadsHook(pid, 'limit-uploads') === true,
      quietMs: nowMs - known.overAtMs,
      sinceRestartMs: nowMs - known.restartedAtMs,
    });
    if (step === 'release') {
      // Applies from the next start on.
      await removeHook(spec.directory, 'limit-uploads');
      reasons.delete(spec.name);
      log.info({ instance: spec.name }, 'its limits of uploads end with its next start');
    }
    if (step !== 'limit' && step !== 'restart') return;
    const maxBytes = Math.floor(uploadBoundOf(spec.limits().disk_bytes, { isHeld: false }) / 2);
    await addHook(spec, 'limit-uploads', { max_bytes: maxBytes });
    known.restartedAtMs = nowMs;
    const reason: PhaseReason = {
      code: 'over_uploads',
      message: `unfinished uploads took ${byteSize(bytes)} of temporary files, so they were ended, and uploads are limited`,
    };
    reasons.set(spec.name, reason);
    log.warn({ instance: spec.name }, reason.message);
    restart(spec.name, known, reason);
  };

  /** Not awaited: other databases may be attacked at the same time. */
  const restart = (name: string, known: Watched, reason: PhaseReason): void => {
    known.isRestarting = true;
    const run = fleet
      .restart(name, reason)
      .then(
        () => undefined,
        (error: unknown) => log.warn({ instance: name }, `cannot end its uploads: ${messageOf(error)}`),
      )
      .finally(() => {
        known.isRestarting = false;
        restarts.delete(run);
      });
    restarts.add(run);
  };

  const loop = startLoop(clock, async () => {
    for (const name of watched.keys()) {
      if (fleet.find(name) !== null) continue;
      watched.delete(name);
      reasons.delete(name);
    }
    // A disk that cannot be read now is the same one.
    const isHeld = reserve.state.isHeld && (await reserve.sharesDisk().catch(() => true));
    const { afterBytes, everyMs } = growthCheckOf({ isHeld });
    const readsAll = growth.mustReadAll(afterBytes) || isHeld !== wasHeld;
    wasHeld = isHeld;
    if (readsAll) for (const known of watched.values()) known.isAtRest = false;
    let waitMs = everyMs;
    for (const runner of fleet.withProcess().filter(isServing)) {
      const known = watched.get(runner.spec.name);
      if (known?.isAtRest === true && known.pid === runner.state.observed.pid) continue;
      const next = await check(runner, isHeld).catch((error: unknown) => {
        log.warn({ instance: runner.spec.name }, `cannot bound its temporary files: ${messageOf(error)}`);
        return LOOK_EVERY_MS;
      });
      waitMs = Math.min(waitMs, next);
    }
    return waitMs;
  });
  return async () => {
    await loop.stop();
    await Promise.all(restarts);
  };
}

function isServing({ spec, state }: Runner): boolean {
  return spec.kind === 'user' && state.phase === 'running' && state.observed.desired === 'running';
}

/** Temporary files, and files that are removed but still open: both take space that the disk limit does not count. */
async function temporaryBytes(directory: string, pid: number): Promise<number> {
  const [present, removed] = await Promise.all([
    directoryBytes(temporaryDirOf(directory)),
    removedBytes(directory, pid),
  ]);
  return present + removed;
}

/** 0 for a process that has ended. */
async function removedBytes(directory: string, pid: number): Promise<number> {
  const files = await readdir(`/proc/${pid}/fd`).catch((): string[] => []);
  const sizes = new Map<string, number>();
  for (const file of files) {
    const path = `/proc/${pid}/fd/${file}`;
    const target = await readlink(path).catch(() => '');
    if (!target.startsWith(`${directory}/`) || !target.endsWith(DELETED)) continue;
    const found = await stat(path).catch(() => null);
    if (found?.isFile() === true) sizes.set(`${found.dev} ${found.ino}`, found.blocks * 512);
  }
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
