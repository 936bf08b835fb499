import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { FathomError } from '../../../shared/errors.ts';

export interface AwaitReadyOptions {
  status(signal: AbortSignal): Promise<DaemonStatus>;
  /** Called when the reason for waiting changes. */
  onWaiting(what: string): void;
  signal: AbortSignal;
  pollEveryMs: number;
}

/** Reads the status until the daemon is ready; null if the signal aborts first. */
export async function awaitReady(options: AwaitReadyOptions): Promise<DaemonStatus | null> {
  let reported: string | null = null;
  while (!options.signal.aborted) {
    const answer = await readStatus(options);
    if (answer?.ready === true) return answer;
    const what = answer === null ? 'the daemon to answer' : (answer.waiting_for ?? 'the fleet');
    if (what !== reported) options.onWaiting(what);
    reported = what;
    await sleep(options.pollEveryMs, undefined, { signal: options.signal }).catch(() => {});
  }
  return null;
}

async function readStatus(options: AwaitReadyOptions): Promise<DaemonStatus | null> {
  try {
    return await options.status(options.signal);
  } catch (error) {
    // Status 503: the daemon does not listen yet, or is starting. Waiting does not help against other errors.
    if (options.signal.aborted || (error instanceof FathomError && error.status === 503)) return null;
    throw error;
  }
}
