import { EDGE_CACHE_S, EDGE_PORT_HEADER, findDatabasePort } from '../../../shared/api/edge.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { Catalog } from '../catalog.ts';

export interface EdgeRoutesDeps {
  catalog: Catalog;
}

/** Registers the route that tells a reverse proxy on which port a database listens. */
export function edgeRoutes(app: Api, { catalog }: EdgeRoutesDeps): void {
  serve(app, findDatabasePort, ({ params, query }, reply) => {
    // A cache of the proxy keeps both answers for this time.
    void reply.header('cache-control', `max-age=${EDGE_CACHE_S}`);
    const port = findPort(catalog, params.name.toLowerCase(), query.access === 'superuser');
    void reply.header(EDGE_PORT_HEADER, String(port));
    return { port };
  });
}

/** Returns 0 while the database does not run: its port could then belong to another process. */
function findPort(catalog: Catalog, name: string, isSuperuser: boolean): number {
  const entry = catalog.find(name);
  if (!entry || entry.row.state === 'deleting' || (isSuperuser && !entry.row.developer))
    throw new FathomError('not_found', 'no such database');
  return entry.runner.state.listeningPort ?? 0;
}
