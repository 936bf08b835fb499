import { listCollections, listRecords } from '../../../shared/api/databases.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import { browseCollections, browseRecords } from '../browse.ts';
import type { Catalog } from '../catalog.ts';

export interface BrowseRoutesDeps {
  catalog: Catalog;
}

/** Registers the routes that read user databases, without secrets, for administrators. */
export function browseRoutes(app: Api, { catalog }: BrowseRoutesDeps): void {
  serve(app, listCollections, async (request) =>
    slicePage(await browseCollections(catalog.get(request.params.name)), request.query),
  );

  serve(app, listRecords, (request) => {
    const { name, collection } = request.params;
    return browseRecords(catalog.get(name), collection, request.query);
  });
}
