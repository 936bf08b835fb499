import { z } from 'zod';
import { pageOf, problemSchema, wholePageQuerySchema } from '../../../shared/protocol.ts';
import { newScheduleSchema, scheduleSchema } from '../../../shared/queue-protocol.ts';
import type { ApiDeps } from '../deps.ts';
import { pageFrom } from '../page.ts';
import type { Api } from '../server.ts';

const nameParams = z.object({
  name: z
    .string()
    .max(120)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'is not a name like nightly-report'),
});

/** Tasks that are added again and again, for administrators. */
export function scheduleRoutes(app: Api, { queue }: ApiDeps): void {
  app.get(
    '/api/v1/queue/schedules',
    {
      config: { permission: 'queue.stats' },
      schema: { querystring: wholePageQuerySchema, response: { 200: pageOf(scheduleSchema) } },
    },
    async (request) => {
      return pageFrom(await queue.schedules.list(), request.query);
    },
  );

  app.put(
    '/api/v1/queue/schedules/:name',
    {
      config: { permission: 'queue.pause', audit: 'schedule.set' },
      schema: {
        params: nameParams,
        body: newScheduleSchema,
        response: { 200: scheduleSchema, 400: problemSchema, 404: problemSchema },
      },
    },
    async (request) => {
      return queue.schedules.set(request.params.name, request.body);
    },
  );

  app.delete(
    '/api/v1/queue/schedules/:name',
    {
      config: { permission: 'queue.pause', audit: 'schedule.remove' },
      schema: { params: nameParams, response: { 204: z.null(), 404: problemSchema } },
    },
    async (request, reply) => {
      await queue.schedules.remove(request.params.name);
      return reply.code(204).send(null);
    },
  );
}
