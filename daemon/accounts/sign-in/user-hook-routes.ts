import { z } from 'zod';
import { databaseAccessSchema } from '../../../shared/api/accounts/auth.ts';
import { messageOf } from '../../../shared/errors.ts';
import { daemonCallBodies } from '../../../shared/hooks/daemon-calls.ts';
import type { DatabaseAccessDeps } from '../../databases/owner/database-access.ts';
import { openDatabase } from '../../databases/owner/database-access.ts';
import type { Api } from '../../http/serve.ts';
import type { Queue } from '../../queue/queue.ts';
import type { Identities } from '../sessions/identities.ts';

const USER_CHANGED = '/internal/users/changed';

export interface UserHookDeps extends DatabaseAccessDeps {
  queue: Queue;
  identities: Identities;
}

/** Registers the routes that hooks of the global PocketBase (`pb_hooks/global`) call when accounts change. */
export function userHookRoutes(app: Api, deps: UserHookDeps): void {
  const addProvisionTask = async (userId: string) => {
    try {
      const unique_key = `provision:${userId}`;
      await deps.queue.add({
        type: 'database.provision',
        user_id: userId,
        unique_key,
        max_attempts: 20,
      });
    } catch (error) {
      deps.log.warn({ user: userId }, `cannot add a task that provisions later: ${messageOf(error)}`);
    }
  };

  app.post(
    '/internal/users/created',
    {
      config: { permission: 'hook' },
      schema: { hide: true, body: daemonCallBodies['/internal/users/created'] },
    },
    (request, reply) => {
      const { user_id: id, email } = request.body;
      // The sign-up does not wait for the database; a following sign-in waits for this provisioning.
      deps.provisioner.ensure({ id, email }).catch((error: unknown) => {
        deps.log.error({ user: id }, `provisioning failed and will be retried: ${messageOf(error)}`);
        return addProvisionTask(id);
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
        body: daemonCallBodies['/internal/users/signed-in'],
        response: { 200: z.object({ database: databaseAccessSchema }) },
      },
    },
    async (request) => {
      // The hook sends only users with the role `user`, and provisioning checks the record itself.
      const { user_id: id, email, expires_at_s } = request.body;
      const limit = expires_at_s === null ? null : { expiresAt: new Date(expires_at_s * 1000) };
      return { database: await openDatabase({ id, email }, limit, deps) };
    },
  );

  // The first path reports changes of the account, the second one changes of its sessions and API keys.
  for (const path of [USER_CHANGED, '/internal/identities/changed'] as const) {
    app.post(
      path,
      { config: { permission: 'hook' }, schema: { hide: true, body: daemonCallBodies[path] } },
      (request, reply) => {
        deps.identities.invalidate(request.body.user_id);
        if (path === USER_CHANGED) deps.ownerSync.changed(request.body.user_id);
        return reply.code(204).send();
      },
    );
  }
}
