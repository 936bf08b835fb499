import { z } from 'zod';
import { databaseAccessSchema } from '../../../shared/api/accounts/auth.ts';
import { type ErrorCode, FathomError, messageOf } from '../../../shared/errors.ts';
import { daemonCallBodies } from '../../../shared/hooks/daemon-calls.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { Catalog } from '../../databases/catalog.ts';
import type { DatabaseAccessDeps } from '../../databases/owner/database-access.ts';
import { openDatabase } from '../../databases/owner/database-access.ts';
import type { Api } from '../../http/serve.ts';
import type { Queue } from '../../queue/queue.ts';
import type { AccountMails } from '../mail/account-mails.ts';
import type { Identities } from '../sessions/identities.ts';

/** Errors of accounts that get no database now. A retry would end the same way. */
const MAY_NOT_HAVE_ONE: ReadonlySet<ErrorCode> = new Set([
  'address.unverified',
  'database.deleted',
  'databases.limit_reached',
]);

export interface UserHookDeps extends DatabaseAccessDeps {
  queue: Queue;
  identities: Identities;
  catalog: Catalog;
  settings: LiveSettings;
  accountMails: AccountMails;
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

  const mustBeVerified = () => deps.settings.signUps.mode === 'verified';

  // The caller does not wait for the database; a following sign-in waits for this provisioning.
  const provisionNow = (id: string, email: string) => {
    deps.provisioner.ensure({ id, email }).catch((error: unknown) => {
      if (error instanceof FathomError && MAY_NOT_HAVE_ONE.has(error.code)) return;
      deps.log.error({ user: id }, `provisioning failed and will be retried: ${messageOf(error)}`);
      return addProvisionTask(id);
    });
  };

  app.post(
    '/internal/users/created',
    {
      config: { permission: 'hook' },
      schema: { hide: true, body: daemonCallBodies['/internal/users/created'] },
    },
    (request, reply) => {
      const { user_id: id, email, verified } = request.body;
      if (mustBeVerified() && !verified) void deps.accountMails.verifyAfterSignUp(id);
      else provisionNow(id, email);
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

  app.post(
    '/internal/users/changed',
    {
      config: { permission: 'hook' },
      schema: { hide: true, body: daemonCallBodies['/internal/users/changed'] },
    },
    (request, reply) => {
      const { user_id: id, email, verified } = request.body;
      deps.identities.invalidate(id);
      deps.ownerSync.changed(id);
      if (mustBeVerified() && verified && !deps.catalog.findByUser(id)) provisionNow(id, email);
      return reply.code(204).send();
    },
  );

  app.post(
    '/internal/identities/changed',
    {
      config: { permission: 'hook' },
      schema: { hide: true, body: daemonCallBodies['/internal/identities/changed'] },
    },
    (request, reply) => {
      deps.identities.invalidate(request.body.user_id);
      return reply.code(204).send();
    },
  );
}
