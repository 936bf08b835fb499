import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { Clock } from '../base/time/clock.ts';
import { repeat } from '../base/time/repeat.ts';
import type { EventBus } from '../events/bus.ts';
import { GLOBAL_NAME } from '../supervisor/global-instance.ts';
import type { FleetShare } from './elsewhere/fleet-share.ts';
import type { Reconciler } from './reconcile.ts';

const INTERVAL_MS = 60_000;

/**
 * Reconciles now, periodically, as soon as the global PocketBase runs again, which completes a sign-up that its outage
 * interrupted, and when databases have another owner. Returns a function that stops this.
 */
export function keepReconciled(deps: {
  reconciler: Reconciler;
  /** Null for a single server. */
  share: FleetShare | null;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { reconciler, share, bus, clock, log } = deps;
  const runs = new SingleFlight<void>();
  // Owners can have changed since the daemon read them, before it listens here.
  let isOutdated = share !== null;
  /** @returns whether another run is needed now */
  const run = async (): Promise<boolean> => {
    const isFull = isOutdated;
    isOutdated = false;
    try {
      await reconciler.catchUp({ isFull });
      return isOutdated;
    } catch (error) {
      isOutdated ||= isFull;
      log.error({ err: error }, `reconciliation failed and will be retried: ${messageOf(error)}`);
      return false;
    }
  };
  // Changes during a run need another one.
  const reconcile = () =>
    runs.run('all', async () => {
      while (await run());
    });
  const stopRepeating = repeat(clock, INTERVAL_MS, reconcile);
  const unsubscribe = bus.subscribe((event) => {
    if (event.kind === 'instance.phase' && event.name === GLOBAL_NAME && event.to === 'running') {
      isOutdated = true;
      void reconcile();
    }
  });
  const unlisten = share?.onOwners(() => {
    isOutdated = true;
    void reconcile();
  });
  return async () => {
    unsubscribe();
    unlisten?.();
    await stopRepeating();
    await runs.idle();
  };
}
