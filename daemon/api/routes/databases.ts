import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Instance } from '../../../shared/instance.ts';
import {
  instanceSchema,
  pageOf,
  pageQuerySchema,
  probeSchema,
  problemSchema,
  usageSchema,
} from '../../../shared/protocol.ts';
import { timesOf } from '../../pocketbase/log-times.ts';
import { requireCaller, requireOwnerOrAll, seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import { pageFrom } from '../page.ts';
import type { Api } from '../server.ts';

const GLOBAL = 'global';
const nameParams = z.object({
  name: z.string().refine((name) => name === GLOBAL || isDatabaseName(name), 'is not the name of a database'),
});
const SORTABLE = ['name', 'phase', 'port', 'restarts', 'created_at', 'since'] as const;
const sortSchema = z.enum([...SORTABLE, ...SORTABLE.map((field) => `-${field}` as const)]).default('name');

/** User databases and their instances. The global one is listed as well, as an instance that only the daemon stops. */
export function databaseRoutes(app: Api, deps: ApiDeps): void {
  const { fleet, catalog, lifecycle, clock } = deps;

  const allowed = (request: FastifyRequest, name: string) =>
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);

  app.get(
    '/api/v1/databases',
    {
      config: { permission: 'databases.read' },
      schema: {
        querystring: pageQuerySchema.extend({
          sort: sortSchema,
          phase: z.string().max(20).optional(),
          search: z.string().max(100).optional(),
        }),
        response: { 200: pageOf(instanceSchema) },
      },
    },
    (request) => {
      const caller = requireCaller(request);
      const { page, per_page, sort, phase, search } = request.query;
      const all = seesAll(caller, 'databases.read');
      const own = caller.kind === 'local' ? null : caller.userId;
      const matching = fleet
        .list()
        .filter((instance) => all || instance.user_id === own)
        .filter((instance) => phase === undefined || instance.phase === phase)
        .filter(
          ({ name, email }) =>
            search === undefined || name.includes(search) || email?.includes(search) === true,
        )
        .toSorted(bySort(sort));
      return pageFrom(matching, { page, per_page });
    },
  );

  app.get(
    '/api/v1/databases/:name',
    {
      config: { permission: 'databases.read' },
      schema: { params: nameParams, response: { 200: instanceSchema, 404: problemSchema } },
    },
    (request) => {
      allowed(request, request.params.name);
      return fleet.get(request.params.name).state.view();
    },
  );

  const action = (verb: 'start' | 'stop' | 'restart', run: (name: string) => Promise<Instance>) => {
    app.post(
      `/api/v1/databases/:name/${verb}`,
      {
        config: { permission: 'databases.operate', audit: `database.${verb}` },
        schema: {
          params: nameParams,
          response: { 200: instanceSchema, 404: problemSchema, 502: problemSchema },
        },
      },
      (request) => {
        const { name } = request.params;
        allowed(request, name);
        if (name === GLOBAL && verb !== 'restart') {
          const mend = "'fathomd databases restart global' starts it anew";
          throw new FathomError('conflict', `the global database starts and stops with the daemon; ${mend}`);
        }
        return run(name);
      },
    );
  };
  // A person who says start means it: this also leaves `failed`.
  action('start', (name) => lifecycle.start(name, { force: true }));
  action('stop', (name) => lifecycle.stop(name));
  // The global instance, too, may be restarted; it comes back before anything else is done.
  action('restart', (name) => (name === GLOBAL ? fleet.restart(GLOBAL) : lifecycle.restart(name)));

  app.delete(
    '/api/v1/databases/:name',
    {
      config: { permission: 'databases.delete', audit: 'database.delete' },
      schema: { params: nameParams, response: { 204: z.null(), 404: problemSchema } },
    },
    async (request, reply) => {
      await lifecycle.delete(request.params.name);
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/api/v1/databases/:name/logs',
    {
      config: { permission: 'databases.read' },
      schema: {
        params: nameParams,
        querystring: z.object({ tail: z.coerce.number().int().min(0).max(5000).default(200) }),
        response: {
          200: z.object({
            // With the best time there is for each: the one it begins with, else that of a line near it.
            lines: z.array(z.object({ at: z.iso.datetime(), text: z.string() })),
            // After the last complete line: where a subscription to `logs:<name>` goes on.
            position: z.int(),
            // The last line is still being written.
            partial: z.boolean(),
          }),
          404: problemSchema,
        },
      },
    },
    async (request) => {
      allowed(request, request.params.name);
      const { tail } = request.query;
      const { lines, end, rest } = await fleet.get(request.params.name).spec.log.tailWithEnd(tail);
      const all = rest === '' ? lines : [...lines, rest].slice(-tail);
      return { lines: timesOf(all, clock.now()), position: end, partial: rest !== '' };
    },
  );

  app.get(
    '/api/v1/databases/:name/metrics',
    {
      config: { permission: 'databases.read' },
      schema: {
        params: nameParams,
        response: {
          200: z.object({
            usage: usageSchema.nullable(),
            probe: probeSchema.nullable(),
            /** The last ones, oldest first. */
            probes: z.array(probeSchema),
            restarts: z.int(),
          }),
          404: problemSchema,
        },
      },
    },
    (request) => {
      allowed(request, request.params.name);
      const { state } = fleet.get(request.params.name);
      const { usage, probe, restarts } = state.view();
      return { usage, probe, probes: [...state.probes], restarts };
    },
  );
}

function bySort(sort: z.infer<typeof sortSchema>): (a: Instance, b: Instance) => number {
  const descending = sort.startsWith('-');
  const field = (descending ? sort.slice(1) : sort) as (typeof SORTABLE)[number];
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [left, right] = [a[field] ?? '', b[field] ?? ''];
    return sign * (left < right ? -1 : left > right ? 1 : a.name.localeCompare(b.name));
  };
}
