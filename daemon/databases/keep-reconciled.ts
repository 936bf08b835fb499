import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { EventBus } from '../events/bus.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import type { Reconciler } from './reconcile.ts';

const INTERVAL_MS = 60_000;

/**
 * Reconciles now, periodically, and as soon as the global PocketBase runs again, which completes a sign-up that its outage
 * interrupted. Returns a function that stops this.
 */
export function keepReconciled(deps: {
  reconciler: Reconciler;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { reconciler, bus, clock, log } = deps;
  const runs = new SingleFlight<void>();
  let isRestarted = false;
  const reconcile = () =>
    runs.run('all', async () => {
      const isFull = isRestarted;
      isRestarted = false;
      try {
        await reconciler.catchUp({ isFull });
      } catch (error) {
        isRestarted ||= isFull;
        log.error({ err: error }, `reconciliation failed and will be retried: ${messageOf(error)}`);
      }
    });
  const stopRepeating = repeat(clock, INTERVAL_MS, reconcile);
  const unsubscribe = bus.subscribe((event) => {
    if (event.kind === 'instance.phase' && event.name === GLOBAL_NAME && event.to === 'running') {
      isRestarted = true;
      void reconcile();
    }
  });
  return async () => {
    unsubscribe();
    await stopRepeating();
    await runs.idle();
  };
}
