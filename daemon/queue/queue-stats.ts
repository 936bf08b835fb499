import type { QueueStats } from '../../shared/api/queue.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import { deadline } from '../base/time/clock.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import type { Queue } from './queue.ts';

/** The status must respond soon, also while the global PocketBase hangs. */
const TIMEOUT_MS = 1_000;

export interface QueueStatsDeps {
  queue: Queue;
  fleet: Fleet;
  clock: Clock;
  log: Logger;
}

/** Describes the global PocketBase when it does not run; null when it runs, or when another host has it. */
export function missingInstance({ fleet, queue }: Pick<QueueStatsDeps, 'fleet' | 'queue'>): string | null {
  if (queue.isElsewhere) return null;
  const phase = fleet.find(GLOBAL_NAME)?.state.phase;
  return phase === 'running' ? null : `the global PocketBase (${phase ?? 'unknown'})`;
}

/** Reads the state of the queue; null when the global PocketBase does not answer in time. */
export async function readQueueStats({
  queue,
  fleet,
  clock,
  log,
}: QueueStatsDeps): Promise<QueueStats | null> {
  if (missingInstance({ fleet, queue }) !== null) return null;
  const { signal, cancel } = deadline(clock, TIMEOUT_MS);
  const late = new Promise<null>((resolve) => {
    signal.addEventListener('abort', () => resolve(null));
  });
  const stats = queue.store.readStats().catch((error: unknown) => {
    log.debug(`the queue cannot be read: ${messageOf(error)}`);
    return null;
  });
  try {
    return await Promise.race([stats, late]);
  } finally {
    cancel();
  }
}
