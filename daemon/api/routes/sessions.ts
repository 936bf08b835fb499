import { z } from 'zod';
import { FathomError } from '../../../shared/errors.ts';
import { pageOf, pageQuerySchema, problemSchema } from '../../../shared/protocol.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const sessionRowSchema = z
  .object({
    id: z.string(),
    user_id: z.string(),
    user_agent: z.string(),
    address: z.string(),
    created: z.string(),
    expires_at: z.string(),
    /** The one with which this was asked. */
    current: z.boolean(),
  })
  .meta({ id: 'SessionRow' });

export const userIdQuery = z
  .string()
  .regex(/^[a-z0-9]{15}$/, 'is not the id of a user')
  .optional();
const idParams = z.object({ id: z.string().regex(/^[a-z0-9]{15}$/, 'is not an id') });

/** Where one is signed in, and signing out there. */
export function sessionRoutes(app: Api, { sessionRepository, identities, ownerSync }: ApiDeps): void {
  app.get(
    '/api/v1/sessions',
    {
      config: { permission: 'sessions.read' },
      schema: {
        querystring: pageQuerySchema.omit({ sort: true }).extend({ user_id: userIdQuery }),
        response: { 200: pageOf(sessionRowSchema), 403: problemSchema },
      },
    },
    async (request) => {
      const { page, per_page, user_id } = request.query;
      const caller = requireCaller(request);
      if (user_id !== undefined) requireOwnerOrAll(request, user_id);
      // One's own, unless others are asked for.
      const user = user_id ?? (caller.kind === 'local' ? null : caller.userId);
      const { items, total } = await sessionRepository.list({ user, page, perPage: per_page });
      const current = caller.kind === 'session' ? caller.id : null;
      return {
        items: items.map(({ user: owner, ...row }) => ({
          ...row,
          user_id: owner,
          current: row.id === current,
        })),
        page,
        per_page,
        total,
      };
    },
  );

  app.delete(
    '/api/v1/sessions',
    {
      config: { permission: 'sessions.end', audit: 'sessions.end' },
      schema: {
        querystring: z.object({
          user_id: userIdQuery,
          /** API keys as well. */
          keys: z.enum(['true', 'false']).default('false'),
        }),
        response: { 204: z.null(), 403: problemSchema },
      },
    },
    async (request, reply) => {
      const user = request.query.user_id ?? requireUserId(request);
      requireOwnerOrAll(request, user);
      await sessionRepository.endAll(user, { keys: request.query.keys === 'true' });
      identities.changed(user);
      await ownerSync.carryOver(user);
      return reply.code(204).send(null);
    },
  );

  app.delete(
    '/api/v1/sessions/:id',
    {
      config: { permission: 'sessions.end', audit: 'session.end' },
      schema: { params: idParams, response: { 204: z.null(), 404: problemSchema } },
    },
    async (request, reply) => {
      const row = await sessionRepository.find(request.params.id);
      const caller = requireCaller(request);
      const visible = row && (seesAll(caller, 'sessions.end') || isOwn(caller, row.user));
      if (!visible) throw new FathomError('not_found', `there is no session '${request.params.id}'`);
      await sessionRepository.delete('sessions', row.id);
      identities.changed(row.user);
      return reply.code(204).send(null);
    },
  );
}

/** Whether something belongs to the caller. */
export function isOwn(caller: ReturnType<typeof requireCaller>, owner: string): boolean {
  return caller.kind !== 'local' && caller.userId === owner;
}
