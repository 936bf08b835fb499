import type { Clock } from '../base/clock.ts';
import { type InstanceProcess, type ProcessExit, watchExit } from '../pocketbase/process-driver.ts';

/** PocketBase needs about one second when a slow request is under way. */
export const STOP_GRACE_MS = 10_000;
/** A hung process is not waited for as long as one that may be finishing its work. */
export const HUNG_GRACE_MS = 2_000;

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
