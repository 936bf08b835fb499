import * as endpoints from '../../../shared/api/databases.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import { listCollections, listRecords } from '../browse.ts';
import type { Catalog } from '../catalog.ts';

export interface BrowseRoutesDeps {
  catalog: Catalog;
}

/** Looking into user databases, for those who see everything: read-only, without secrets. */
export function browseRoutes(app: Api, { catalog }: BrowseRoutesDeps): void {
  serve(app, endpoints.listCollections, async (request) => {
    return slicePage(await listCollections(catalog.get(request.params.name)), request.query);
  });

  serve(app, endpoints.listRecords, async (request) => {
    const { name, collection } = request.params;
    const { page, per_page, sort } = request.query;
    const { items, total } = await listRecords(catalog.get(name), collection, {
      page,
      perPage: per_page,
      sort,
    });
    return { items, page, per_page, total };
  });
}
