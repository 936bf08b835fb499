import { basename, dirname } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import {
  type FoundProcess,
  type InstanceProcess,
  type ProcessDriver,
  type ProcessExit,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import type { InstanceFiles } from '../instance-files.ts';

/** PocketBase needs about one second when a slow request is under way. */
export const STOP_GRACE_MS = 10_000;
/** A hung process is not waited for as long as one that may be finishing its work. */
export const HUNG_GRACE_MS = 2_000;
/** A disk that is too full to save what a process holds may be given space at any time. */
const SAVE_AGAIN_MS = 1_000;

export interface EndDeps {
  clock: Clock;
  files: InstanceFiles;
  log: Logger;
}

export interface EndOptions {
  graceMs: number;
  /** Called while its files cannot be saved: the process stands still until they are. */
  onUnsaved?: (reason: PhaseReason) => void;
  /** Ends the wait for files that cannot be saved; the process is left as it is then. */
  patience?: AbortSignal;
}

/**
 * Ends a process without losing what only it holds. One whose files are in their place closes them itself; one whose files
 * were deleted, replaced or damaged would remove or overwrite files that are not its own, so it is halted, its files are
 * saved, and it is killed.
 *
 * @param directory the instance's directory; null where that is not known
 * @returns null when its files could not be saved before `patience` ended: the process is still there, halted
 */
export async function endProcess(
  process: InstanceProcess,
  directory: string | null,
  { clock, files, log }: EndDeps,
  { graceMs, onUnsaved, patience }: EndOptions,
): Promise<{ exit: ProcessExit; rescued: string | null } | null> {
  const wrong = directory === null ? null : await files.unsafeToCloseReason(directory, process.pid);
  if (directory === null || wrong === null) {
    return { exit: await terminate(process, { clock, graceMs }), rescued: null };
  }
  const gone = watchExit(process);
  process.signal('SIGSTOP');
  const instance = basename(directory);
  for (let isFirst = true; ; isFirst = false) {
    try {
      const rescued = await files.rescue(directory, process.pid, clock.now());
      process.signal('SIGKILL');
      log.warn({ instance, reason: wrong.code, rescued }, `ended a process: ${wrong.message}`);
      return { exit: await process.exited, rescued };
    } catch (error) {
      const message = `${wrong.message}; what it holds cannot be saved beside ${directory} yet (${messageOf(error)}), so it is halted until there is space`;
      if (isFirst) log.error({ err: error, instance }, message);
      onUnsaved?.({ code: wrong.code, message });
    }
    const ended = patience ? AbortSignal.any([gone.signal, patience]) : gone.signal;
    await clock.sleep(SAVE_AGAIN_MS, ended);
    const exit = gone.exit();
    if (exit) return { exit, rescued: null };
    if (patience?.aborted === true) return null;
  }
}

/** Ends a process that an earlier daemon left, and that is not to be taken over. */
export async function endFound(
  found: FoundProcess,
  { driver, ...deps }: EndDeps & { driver: ProcessDriver },
  graceMs: number,
): Promise<void> {
  const directory = found.dataDir === null ? null : dirname(found.dataDir);
  await endProcess(driver.adopt(found), directory, deps, { graceMs });
}

/** SIGTERM, a grace, then SIGKILL, to the process and whatever it started. Resolves when it is gone. */
export async function terminate(
  process: InstanceProcess,
  { clock, graceMs }: { clock: Clock; graceMs: number },
): Promise<ProcessExit> {
  const gone = watchExit(process);
  process.signal('SIGTERM');
  // One that was stopped (SIGSTOP, a debugger) would not see it otherwise.
  process.signal('SIGCONT');
  await clock.sleep(graceMs, gone.signal);
  if (!gone.exit()) process.signal('SIGKILL');
  return process.exited;
}
