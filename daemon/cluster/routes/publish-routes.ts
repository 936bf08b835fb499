import type { EventBus } from '../../events/bus.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { GLOBAL_NAME } from '../../supervisor/global-instance.ts';
import type { Runner } from '../../supervisor/runner.ts';
import { API_ROUTE, type Target } from './route.ts';
import type { RouteWriter } from './route-writer.ts';

export interface PublishedRoutes {
  /** Call it when the global PocketBase runs, and accounts can sign in. */
  openApi(port: number): void;
  /** Call it when the ports of the databases are open. Until then, their processes run with the routes of an earlier daemon. */
  openDatabases(): void;
  /** Removes the routes, for an end with all instances, or leaves them as they are. */
  end(instances: 'stop' | 'leave'): Promise<void>;
}

/** Publishes the routes of all instances, first that of the control plane. */
export function publishRoutes(
  routes: Pick<RouteWriter, 'set' | 'owns' | 'keep' | 'withdraw'>,
  {
    fleet,
    driver,
    bus,
  }: { fleet: Pick<Fleet, 'find' | 'runners'>; driver: { isHeld(port: number): boolean }; bus: EventBus },
): PublishedRoutes {
  const ended = new AbortController();
  let unsubscribe: (() => void) | null = null;
  const set = (runner: Runner) => routes.set(runner.spec.name, targetOf(runner, driver));
  const follow = () => {
    unsubscribe = bus.subscribe((event) => {
      // One that went to another node may come back.
      if (event.kind === 'instance.removed')
        routes.set(event.name, { state: routes.owns(event.name) ? 'deleted' : 'moving' });
      if (event.kind !== 'instance.phase' && event.kind !== 'instance.changed') return;
      const runner = fleet.find(event.name);
      if (runner) set(runner);
    });
    for (const runner of fleet.runners()) {
      const target = targetOf(runner, driver);
      // Its process can still run, with the route that an earlier daemon has written.
      if (target.state !== 'moving') routes.set(runner.spec.name, target);
    }
  };
  const kept = routes.keep(ended.signal);
  return {
    openApi: (port) => {
      const controlPlane = fleet.find(GLOBAL_NAME);
      if (controlPlane) set(controlPlane);
      routes.set(API_ROUTE, { state: 'open', port });
    },
    openDatabases: follow,
    end: async (instances) => {
      unsubscribe?.();
      ended.abort();
      await kept;
      if (instances === 'stop') await routes.withdraw();
    },
  };
}

/** Connections to a held port wait for the process of the instance. */
function targetOf({ state }: Runner, driver: { isHeld(port: number): boolean }): Target {
  const { port, desired } = state.observed;
  if (state.listeningPort !== null) return { state: 'open', port: state.listeningPort };
  // Connections to the port here would end when it is on the other node.
  if (state.reason?.code === 'moving') return { state: 'moving' };
  if (state.phase === 'failed') return { state: 'closed', failed: true };
  if (desired === 'stopped') return { state: 'closed' };
  return port !== null && driver.isHeld(port) ? { state: 'open', port } : { state: 'moving' };
}
