import { EDGE_CACHE_S, EDGE_PORT_HEADER, findDatabasePort } from '../../../shared/api/edge.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';

export interface EdgeRoutesDeps {
  catalog: Catalog;
  driver: {
    /** Whether connections to the port wait for an instance while no process accepts them. */
    isHeld(port: number): boolean;
  };
}

/** Registers the route that tells a reverse proxy on which port a database listens. */
export function edgeRoutes(app: Api, { catalog, driver }: EdgeRoutesDeps): void {
  serve(app, findDatabasePort, ({ params, query }, reply) => {
    // A cache of the proxy keeps both answers for this time.
    void reply.header('cache-control', `max-age=${EDGE_CACHE_S}`);
    const entry = catalog.find(params.name.toLowerCase());
    const isDeveloper = entry?.row.developer === true || entry?.instance.access() === 'developer';
    const isOpen = query.access === 'user' || isDeveloper;
    if (!entry || entry.row.state === 'deleting' || !isOpen)
      throw new FathomError('not_found', 'no such database');
    const port = portOf(entry, driver);
    void reply.header(EDGE_PORT_HEADER, String(port));
    return { port };
  });
}

/**
 * Returns the port while the process of the database listens on it, or while connections wait for its next process. Otherwise
 * 0: the port could then belong to another process.
 */
function portOf({ runner: { state } }: CatalogEntry, driver: EdgeRoutesDeps['driver']): number {
  const { port, desired } = state.observed;
  const isWaiting = port !== null && desired === 'running' && driver.isHeld(port);
  return state.listeningPort ?? (isWaiting ? port : 0);
}
