import { z } from 'zod';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { pageOf, pageQuerySchema, problemSchema } from '../../../shared/protocol.ts';
import { listCollections, listRecords } from '../../databases/browse.ts';
import type { ApiDeps } from '../deps.ts';
import { pageFrom } from '../page.ts';
import type { Api } from '../server.ts';

const nameParams = z.object({
  name: z.string().refine(isDatabaseName, 'is not the name of a user database'),
});
const collectionParams = nameParams.extend({
  collection: z.string().regex(/^\w{1,255}$/, 'is not the name of a collection'),
});
const collectionSchema = z.object({
  name: z.string(),
  type: z.string(),
  /** One of PocketBase's own. */
  system: z.boolean(),
  /** Null when they could not be counted, or may not be looked at. */
  records: z.int().nullable(),
});
const problems = { 400: problemSchema, 403: problemSchema, 404: problemSchema, 409: problemSchema };

/** Looking into user databases, for those who see everything: read-only, without secrets. */
export function browseRoutes(app: Api, { catalog }: ApiDeps): void {
  app.get(
    '/api/v1/databases/:name/collections',
    {
      config: { permission: 'databases.browse' },
      schema: {
        params: nameParams,
        querystring: pageQuerySchema.omit({ sort: true }),
        response: { 200: pageOf(collectionSchema), ...problems },
      },
    },
    async (request) => {
      return pageFrom(await listCollections(catalog.get(request.params.name)), request.query);
    },
  );

  app.get(
    '/api/v1/databases/:name/collections/:collection/records',
    {
      config: { permission: 'databases.browse' },
      schema: {
        params: collectionParams,
        querystring: pageQuerySchema,
        response: { 200: pageOf(z.record(z.string(), z.unknown())), ...problems },
      },
    },
    async (request) => {
      const { name, collection } = request.params;
      const { page, per_page, sort } = request.query;
      const { items, total } = await listRecords(catalog.get(name), collection, {
        page,
        perPage: per_page,
        sort,
      });
      return { items, page, per_page, total };
    },
  );
}
