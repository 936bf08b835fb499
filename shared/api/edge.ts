import { z } from 'zod';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE } from './contract/fields.ts';

const tag = {
  name: 'Edge',
  description: 'For the reverse proxy in front of the databases. It sends EDGE_TOKEN in `Fathom-Edge-Token`.',
};

/** Sent by the reverse proxy, to authenticate itself. */
export const EDGE_TOKEN_HEADER = 'fathom-edge-token';
/** A header of the response, for proxies that cannot read its body. */
export const EDGE_PORT_HEADER = 'fathom-port';
/** How long a proxy may use an answer, in seconds. */
export const EDGE_CACHE_S = 2;

export const ACCESSES = ['user', 'superuser'] as const;

export const findDatabasePort = endpoint({
  operationId: 'findDatabasePort',
  method: 'GET',
  path: '/api/v1/edge/databases/{name}',
  tag,
  summary: 'Find the port of a database',
  description:
    'The header `Fathom-Port` has the port as well. With `access=superuser`, only databases that are marked as `developer` are found.',
  permission: 'edge',
  params: z.object({
    // Any text: a name that no database has is not found.
    name: z
      .string()
      .max(100)
      .meta({ description: 'Name of a database.', examples: [EXAMPLE_DATABASE] }),
  }),
  query: z.object({
    access: z.enum(ACCESSES).default('user').meta({ description: 'Who the request is from.' }),
  }),
  responses: {
    200: {
      description: `The port. A proxy may use it for ${EDGE_CACHE_S} seconds, and longer while the daemon does not answer.`,
      schema: z
        .object({
          port: z.int().meta({ description: '0 while the database does not run and is not about to.' }),
        })
        .meta({ id: 'DatabasePort', examples: [{ port: 9123 }] }),
    },
  },
  errors: ['not_found'],
});

/** Methods of `client.edge`. */
export const edge = {
  find: findDatabasePort,
};
