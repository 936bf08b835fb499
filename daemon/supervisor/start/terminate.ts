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
import type { InstanceSpec } from '../instance-spec.ts';

/** PocketBase needs about one second while it serves a slow request. */
export const STOP_GRACE_MS = 10_000;
/** Shorter, because a hung process does not finish its work. */
export const HUNG_GRACE_MS = 2_000;
/** The interval of attempts to save files, for example until a full disk has space. */
const SAVE_RETRY_MS = 1_000;

export interface EndDeps {
  clock: Clock;
  files: InstanceFiles;
  log: Logger;
}

export interface EndOptions {
  graceMs: number;
  /** Called after each failed attempt to save the files of a stopped (SIGSTOP) process. */
  onSaveFailed?: (reason: PhaseReason) => void;
  /** Ends the attempts to save files. The process then stays stopped (SIGSTOP). */
  stopSaving?: AbortSignal;
}

/**
 * Ends a process without losing data in its open files. Normally the process closes its files itself. When its files were
 * deleted, replaced or damaged, closing would remove or overwrite other files: then the process is stopped (SIGSTOP), its
 * files are saved, and it is killed.
 *
 * @param directory of the instance; null when it is unknown
 * @returns null when `stopSaving` aborted before the files could be saved: the process still exists and is stopped
 */
export async function endProcess(
  process: InstanceProcess,
  directory: string | null,
  { clock, files, log }: EndDeps,
  { graceMs, onSaveFailed, stopSaving }: EndOptions,
): Promise<{ exit: ProcessExit; rescued: string | null } | null> {
  const unsafe = directory === null ? null : await files.unsafeToCloseReason(directory, process.pid);
  if (directory === null || unsafe === null) {
    const exit = await terminate(process, { clock, graceMs });
    if (directory !== null) await files.release(directory);
    return { exit, rescued: null };
  }
  const exitWatch = watchExit(process);
  process.signal('SIGSTOP');
  const instance = basename(directory);
  for (let isFirst = true; ; isFirst = false) {
    try {
      const rescued = await files.rescue(directory, process.pid, clock.now());
      process.signal('SIGKILL');
      await files.release(directory);
      log.warn({ instance, reason: unsafe.code, rescued }, `ended a process: ${unsafe.message}`);
      return { exit: await process.exited, rescued };
    } catch (error) {
      const message = `${unsafe.message}; its files cannot be saved beside ${directory} yet (${messageOf(error)}), so the process is stopped until there is space`;
      if (isFirst) log.error({ err: error, instance }, message);
      onSaveFailed?.({ code: unsafe.code, message });
    }
    const ended = stopSaving ? AbortSignal.any([exitWatch.signal, stopSaving]) : exitWatch.signal;
    await clock.sleep(SAVE_RETRY_MS, ended);
    const exit = exitWatch.exit();
    if (exit) return { exit, rescued: null };
    if (stopSaving?.aborted === true) return null;
  }
}

/** Closes the files of a process that was killed, which are those of a running database. */
export function closeFiles(spec: InstanceSpec, { files, log }: Pick<EndDeps, 'files' | 'log'>): void {
  try {
    files.close(spec);
  } catch (error) {
    // The next start reads the WALs.
    log.warn({ instance: spec.name }, `cannot close its databases: ${messageOf(error)}`);
  }
}

/** Ends a process of an earlier daemon that is not taken over. */
export async function endFound(
  found: FoundProcess,
  { driver, ...deps }: EndDeps & { driver: ProcessDriver },
  options: EndOptions,
): Promise<void> {
  const directory = found.dataDir === null ? null : dirname(found.dataDir);
  await endProcess(driver.adopt(found), directory, deps, options);
}

/** Sends SIGTERM to the process group, and SIGKILL after `graceMs`. Resolves when the process has ended. */
export async function terminate(
  process: InstanceProcess,
  { clock, graceMs }: { clock: Clock; graceMs: number },
): Promise<ProcessExit> {
  const exitWatch = watchExit(process);
  process.signal('SIGTERM');
  // A stopped process (SIGSTOP, a debugger) handles SIGTERM only after this.
  process.signal('SIGCONT');
  await clock.sleep(graceMs, exitWatch.signal);
  if (!exitWatch.exit()) process.signal('SIGKILL');
  return process.exited;
}
