import { listCollections, listRecords } from '../../../shared/api/databases.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import type { Fleet } from '../../supervisor/fleet.ts';
import { browseCollections, browseRecords } from '../browse.ts';
import type { Catalog, CatalogEntry } from '../catalog.ts';
import { ensureAwake } from '../instance-client.ts';

export interface BrowseRoutesDeps {
  catalog: Catalog;
  fleet: Fleet;
}

/** Registers the routes that read user databases, without secrets, for administrators. */
export function browseRoutes(app: Api, { catalog, fleet }: BrowseRoutesDeps): void {
  const findAwake = async (name: string): Promise<CatalogEntry> => {
    const entry = catalog.get(name);
    await ensureAwake(entry, fleet, 'command');
    return entry;
  };

  serve(app, listCollections, async (request) =>
    slicePage(await browseCollections(await findAwake(request.params.name)), request.query),
  );

  serve(app, listRecords, async (request) => {
    const { name, collection } = request.params;
    return browseRecords(await findAwake(name), collection, request.query);
  });
}
