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
/** Without the control plane of another node, databases that this one has got do not start. */
const RETRY_MS = 1_000;

/**
 * Reconciles now, periodically, as soon as the global PocketBase runs again, which completes a sign-up that its outage
 * interrupted, and when databases have another owner. Returns a function that stops this.
 */
export function keepReconciled(deps: {
  reconciler: Reconciler;
  /** Null for a single server. */
  share: Pick<FleetShare, 'onOwners'> | null;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}): () => Promise<void> {
  const { reconciler, share, bus, clock, log } = deps;
  const runs = new SingleFlight<void>();
  const stopping = new AbortController();
  // Owners can have changed since the daemon read them, before it listens here.
  let isOutdated = share !== null;
  let problem: string | null = null;
  // A run that has read its rows already does not know them.
  let hasNewRows = false;
  /** @returns whether another run is needed now */
  const run = async (): Promise<boolean> => {
    const isFull = isOutdated;
    isOutdated = false;
    hasNewRows = false;
    try {
      await reconciler.catchUp({ isFull });
      problem = null;
      return isOutdated || hasNewRows;
    } catch (error) {
      isOutdated ||= isFull;
      if (problem !== messageOf(error))
        log.error({ err: error }, `reconciliation failed and will be retried: ${messageOf(error)}`);
      problem = messageOf(error);
      if (share === null || !isOutdated) return false;
      await clock.sleep(RETRY_MS, stopping.signal);
      return !stopping.signal.aborted;
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
  const unlisten = share?.onOwners((what) => {
    if (what === 'rows') hasNewRows = true;
    else isOutdated = true;
    void reconcile();
  });
  return async () => {
    stopping.abort();
    unsubscribe();
    unlisten?.();
    await stopRepeating();
    await runs.idle();
  };
}
