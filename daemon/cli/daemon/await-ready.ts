import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { FathomError } from '../../../shared/errors.ts';

export interface AwaitReadyOptions {
  status(signal: AbortSignal): Promise<DaemonStatus>;
  /** Told whenever what is waited for changes. */
  onWaiting(what: string): void;
  signal: AbortSignal;
  pollEveryMs: number;
}

/** Asks until the daemon is ready; null when the signal came first. */
export async function awaitReady(options: AwaitReadyOptions): Promise<DaemonStatus | null> {
  let told: string | null = null;
  while (!options.signal.aborted) {
    const answer = await ask(options);
    if (answer?.ready === true) return answer;
    const what = answer === null ? 'the daemon to answer' : (answer.waiting_for ?? 'the fleet');
    if (what !== told) options.onWaiting(what);
    told = what;
    await sleep(options.pollEveryMs, undefined, { signal: options.signal }).catch(() => {});
  }
  return null;
}

async function ask(options: AwaitReadyOptions): Promise<DaemonStatus | null> {
  try {
    return await options.status(options.signal);
  } catch (error) {
    // It does not listen yet, or answers that it is starting; anything else will not pass by waiting.
    if (options.signal.aborted || (error instanceof FathomError && error.status === 503)) return null;
    throw error;
  }
}
