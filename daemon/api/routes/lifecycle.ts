import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { FathomError } from '../../../shared/errors.ts';
import { lifecycleStatus } from '../../../shared/instance.ts';
import { type LifecycleInstance, lifecycleInstanceSchema } from '../../../shared/protocol.ts';
import type { CatalogEntry } from '../../databases/catalog.ts';
import { requireOwnerOrAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import { headersOf, toFathomError } from '../problem.ts';
import type { Api } from '../server.ts';

const idParams = z.object({ id: z.string().min(1).max(64) });
const failureSchema = z.object({ success: z.literal(false), message: z.string(), instance: z.null() });
const failures = Object.fromEntries(
  [400, 401, 403, 404, 409, 413, 500, 502, 503].map((status) => [status, failureSchema]),
) as Record<400 | 401 | 403 | 404 | 409 | 413 | 500 | 502 | 503, typeof failureSchema>;
const success = z.object({ success: z.literal(true), message: z.string() });

/** The lifecycle API of earlier clients: other paths and another form of errors, the same fleet. */
export function lifecycleRoutes(app: Api, deps: ApiDeps): void {
  const { catalog, fleet, lifecycle, provisioner, users } = deps;

  app.post(
    '/api/users/:id/init_pb',
    {
      config: { permission: 'databases.operate', audit: 'database.start' },
      errorHandler,
      schema: {
        params: idParams,
        body: z.object({ force_restart: z.boolean().default(false) }).nullish(),
        response: { 200: success.extend({ instance: lifecycleInstanceSchema }), ...failures },
      },
    },
    async (request) => {
      const { id } = request.params;
      requireOwnerOrAll(request, id);
      const user = await users.find(id);
      if (!user) throw new FathomError('not_found', `there is no user '${id}'`);
      const before = catalog.findByUser(id);
      const entry = await provisioner.ensure(user);
      if (request.body?.force_restart && before) await lifecycle.restart(entry.row.name);
      else if (entry.runner.state.phase === 'failed') throw givenUp(entry);
      else await lifecycle.start(entry.row.name, { force: false });
      const instance = toLifecycle(entry);
      return {
        success: true as const,
        message: `PocketBase instance initialized on port ${instance.port}`,
        instance,
      };
    },
  );

  app.get(
    '/api/users/:id/pb_status',
    {
      config: { permission: 'databases.read' },
      errorHandler,
      schema: {
        params: idParams,
        response: {
          200: z.object({ user_id: z.string(), instance: lifecycleInstanceSchema.nullable() }),
          ...failures,
        },
      },
    },
    async (request) => {
      const { id } = request.params;
      requireOwnerOrAll(request, id);
      const entry = catalog.findByUser(id);
      if (!entry && !(await users.find(id))) throw new FathomError('not_found', `there is no user '${id}'`);
      return { user_id: id, instance: entry && toLifecycle(entry) };
    },
  );

  app.post(
    '/api/users/:id/stop_pb',
    {
      config: { permission: 'databases.operate', audit: 'database.stop' },
      errorHandler,
      schema: { params: idParams, response: { 200: success, ...failures } },
    },
    async (request) => {
      const { id } = request.params;
      requireOwnerOrAll(request, id);
      const entry = catalog.findByUser(id);
      if (!entry) throw new FathomError('not_found', `the user '${id}' has no instance`);
      await lifecycle.stop(entry.row.name);
      return { success: true as const, message: 'PocketBase instance stopped successfully' };
    },
  );

  app.get(
    '/api/pb_instances',
    {
      config: { permission: 'status.read' },
      errorHandler,
      schema: {
        response: {
          200: z.object({ instances: z.record(z.string(), lifecycleInstanceSchema), count: z.int() }),
          ...failures,
        },
      },
    },
    () => {
      const instances: Record<string, LifecycleInstance> = {};
      for (const entry of catalog.entries()) {
        if (fleet.find(entry.row.name)) instances[entry.row.user] = toLifecycle(entry);
      }
      return { instances, count: Object.keys(instances).length };
    },
  );
}

/** Every error of these routes, whoever calls and whatever was sent. */
function errorHandler(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = toFathomError(error);
  if (known.status >= 500) request.log.error({ err: error, reqId: request.id }, known.message);
  const failure = { success: false, message: `Process error: ${known.message}`, instance: null };
  void reply
    .code(known.status)
    .headers(headersOf(known))
    .type('application/json')
    .serializer(JSON.stringify)
    .send(failure);
}

function givenUp({ row, runner }: CatalogEntry): FathomError {
  return new FathomError(
    'instance.failed',
    `${row.name} has failed: ${runner.state.reason?.message ?? 'no reason is known'}; send force_restart to try again`,
  );
}

function toLifecycle({ row, runner }: CatalogEntry): LifecycleInstance {
  const view = runner.state.view();
  return {
    user_id: row.user,
    port: view.port ?? 0,
    db_path: view.db_path,
    url: view.url ?? '',
    status: lifecycleStatus(view.phase),
    created_at: view.created_at,
    last_health_check: view.probe?.at ?? null,
  };
}
