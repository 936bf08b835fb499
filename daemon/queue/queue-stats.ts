import type { QueueStats } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { deadline } from '../base/time/clock.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import type { Queue } from './queue.ts';

/** The status of a daemon whose global PocketBase hangs is asked for by people who wait. */
const PATIENCE_MS = 1_000;

export interface QueueStatsDeps {
  queue: Queue;
  fleet: Fleet;
  clock: Clock;
  log: Logger;
}

/** The global PocketBase as it is when it does not run; null when it runs. Nothing works without it. */
export function missingInstance(fleet: Fleet): string | null {
  const phase = fleet.find(GLOBAL_NAME)?.state.phase;
  return phase === 'running' ? null : `the global PocketBase (${phase ?? 'unknown'})`;
}

/** The queue at a glance; null when the global PocketBase does not answer soon: its phase says why. */
export async function readQueueStats({
  queue,
  fleet,
  clock,
  log,
}: QueueStatsDeps): Promise<QueueStats | null> {
  if (missingInstance(fleet) !== null) return null;
  const { signal, cancel } = deadline(clock, PATIENCE_MS);
  const late = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null));
  });
  const stats = queue.store.stats().catch((error: unknown) => {
    log.debug(`the queue cannot be read: ${messageOf(error)}`);
    return null;
  });
  try {
    return await Promise.race([stats, late]);
  } finally {
    cancel();
  }
}
