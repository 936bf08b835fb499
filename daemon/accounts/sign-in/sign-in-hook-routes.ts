import { type AttemptVerdict, daemonCallBodies, type Origin } from '../../../shared/hooks/daemon-calls.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import { resolveClientAddress } from '../../http/client-address.ts';
import type { Api } from '../../http/serve.ts';
import { OpenAttempts } from './open-attempts.ts';
import type { SignInLimits } from './sign-in-limits.ts';
import { RateLimitedError, type SignInAttempt } from './sign-in-limits.ts';

/** Attempts whose end was not reported; beyond this number the oldest count as failed. */
const MAX_OPEN = 10_000;

export interface SignInHookDeps {
  signInLimits: SignInLimits;
  audit: AuditTrail;
  trustedProxies: readonly string[];
}

/** Registers routes for hooks that report sign-ins at the global PocketBase and actions of its superusers. */
export function signInHookRoutes(app: Api, deps: SignInHookDeps): void {
  const { signInLimits, audit } = deps;
  const addressOf = ({ peer, forwarded }: Origin) =>
    resolveClientAddress(peer, forwarded, deps.trustedProxies);
  const open = new OpenAttempts<SignInAttempt>(MAX_OPEN, (attempt) => attempt.failed());
  const config = { permission: 'hook' } as const;

  app.post(
    '/internal/sign-ins/begun',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/sign-ins/begun'] } },
    (request) => {
      const { collection, identity } = request.body;
      const address = addressOf(request.body);
      return withRetryAfter(() => {
        // Sign-ins of users share one counter with Fathom's API.
        const account = collection === 'users' ? identity : `${collection}/${identity}`;
        return open.add(signInLimits.beginSignIn(account, address));
      });
    },
  );

  app.post(
    '/internal/sign-ins/ended',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/sign-ins/ended'] } },
    async (request, reply) => {
      const { attempt, action, ok, collection, identity, user_id } = request.body;
      const begun = open.take(attempt);
      if (ok) begun?.succeeded();
      else begun?.failed();
      await audit.record({
        actor_kind: ok && collection === '_superusers' ? 'superuser' : 'anonymous',
        actor: ok ? user_id : '',
        address: addressOf(request.body),
        action,
        target: identity,
        outcome: ok ? 'ok' : 'refused',
        detail: JSON.stringify({ at: 'global', collection }),
        request_id: request.id,
      });
      return reply.code(204).send();
    },
  );

  app.post(
    '/internal/superuser',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/superuser'] } },
    async (request, reply) => {
      const { action, target, actor, ok } = request.body;
      await audit.record({
        actor_kind: 'superuser',
        actor,
        address: addressOf(request.body),
        action,
        target,
        outcome: ok ? 'ok' : 'failed',
        detail: JSON.stringify({ at: 'global' }),
        request_id: request.id,
      });
      return reply.code(204).send();
    },
  );
}

function withRetryAfter(begin: () => string): AttemptVerdict {
  try {
    return { attempt: begin(), retry_after_s: 0 };
  } catch (error) {
    if (!(error instanceof RateLimitedError)) throw error;
    return { attempt: '', retry_after_s: error.retryAfterS };
  }
}
