import { z } from 'zod';
import { messageOf } from '../../../shared/errors.ts';
import { databaseAccessSchema } from '../../../shared/protocol.ts';
import type { DatabaseAccessDeps } from '../../databases/owner/database-access.ts';
import { openDatabase } from '../../databases/owner/database-access.ts';
import type { Api } from '../../http/serve.ts';
import type { Queue } from '../../queue/queue.ts';
import type { Identities } from '../sessions/identities.ts';

const USER_CHANGED = '/internal/users/changed';
const changedBody = z.object({ user_id: z.string() });
const userBody = z.object({ user_id: z.string(), email: z.string() });
const signedInBody = userBody.extend({ expires_at_s: z.number().nullable() });

export interface UserHookDeps extends DatabaseAccessDeps {
  queue: Queue;
  identities: Identities;
}

/** The hooks of the global PocketBase (`pb_hooks/global`) call these routes. The permission `hook` keeps other callers out. */
export function hookRoutes(app: Api, deps: UserHookDeps): void {
  const retryLater = async (userId: string) => {
    try {
      const unique_key = `provision:${userId}`;
      await deps.queue.add({
        type: 'database.provision',
        user_id: userId,
        unique_key,
        max_attempts: 20,
      });
    } catch (error) {
      deps.log.warn({ user: userId }, `the queue takes no task now: ${messageOf(error)}`);
    }
  };

  app.post(
    '/internal/users/created',
    { config: { permission: 'hook' }, schema: { hide: true, body: userBody } },
    (request, reply) => {
      const { user_id: id, email } = request.body;
      // The sign-up need not wait: a sign-in that follows joins what has begun here.
      deps.provisioner.ensure({ id, email }).catch((error: unknown) => {
        deps.log.error({ user: id }, `provisioning failed, it will be tried again: ${messageOf(error)}`);
        return retryLater(id);
      });
      return reply.code(202).send({ status: 'accepted' });
    },
  );

  app.post(
    '/internal/users/signed-in',
    {
      config: { permission: 'hook' },
      schema: {
        hide: true,
        body: signedInBody,
        response: { 200: z.object({ database: databaseAccessSchema }) },
      },
    },
    async (request) => {
      // The hook asks for users with the role `user` alone, and provisioning looks at the record itself.
      const { user_id: id, email, expires_at_s } = request.body;
      const limit = expires_at_s === null ? null : { expiresAt: new Date(expires_at_s * 1000) };
      return { database: await openDatabase({ id, email }, limit, deps) };
    },
  );

  // The account, its password or its role; or sessions and keys of it.
  for (const path of [USER_CHANGED, '/internal/identities/changed']) {
    app.post(
      path,
      { config: { permission: 'hook' }, schema: { hide: true, body: changedBody } },
      (request, reply) => {
        deps.identities.changed(request.body.user_id);
        if (path === USER_CHANGED) deps.ownerSync.changed(request.body.user_id);
        return reply.code(204).send();
      },
    );
  }
}
