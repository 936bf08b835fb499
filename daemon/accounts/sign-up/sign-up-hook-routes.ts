import {
  daemonCallBodies,
  type PasswordVerdict,
  type SignUpVerdict,
} from '../../../shared/hooks/daemon-calls.ts';
import type { Provisioner } from '../../databases/provisioning/provisioner.ts';
import { resolveClientAddress } from '../../http/client-address.ts';
import type { Api } from '../../http/serve.ts';
import { OpenAttempts } from '../sign-in/open-attempts.ts';
import type { PasswordStrength } from './password-strength.ts';
import { refusalOf, type SignUpAttempt, type SignUps } from './sign-ups.ts';

/** Sign-ups whose end was not reported; beyond this number the oldest count as rejected. */
const MAX_OPEN = 1_000;

export interface SignUpHookDeps {
  signUps: SignUps;
  passwordStrength: PasswordStrength;
  provisioner: Provisioner;
  trustedProxies: readonly string[];
}

/** Registers routes for hooks that report sign-ups at the global PocketBase and new passwords. */
export function signUpHookRoutes(app: Api, deps: SignUpHookDeps): void {
  const open = new OpenAttempts<SignUpAttempt>(MAX_OPEN, (attempt) => attempt.rejected());
  const config = { permission: 'hook' } as const;

  app.post(
    '/internal/sign-ups/begun',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/sign-ups/begun'] } },
    (request): SignUpVerdict => {
      const { peer, forwarded, invited } = request.body;
      try {
        const begun = deps.signUps.begin(resolveClientAddress(peer, forwarded, deps.trustedProxies), invited);
        return { attempt: open.add(begun), refusal: null };
      } catch (error) {
        const refusal = refusalOf(error);
        if (refusal === null) throw error;
        return { attempt: '', refusal };
      }
    },
  );

  app.post(
    '/internal/sign-ups/ended',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/sign-ups/ended'] } },
    async (request, reply) => {
      const { attempt: id, user_id } = request.body;
      const attempt = open.take(id);
      if (user_id === '') attempt?.rejected();
      // The place is held until the database is counted.
      else void deps.provisioner.settled(user_id).then(() => attempt?.settled());
      return reply.code(204).send();
    },
  );

  app.post(
    '/internal/passwords/judge',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/passwords/judge'] } },
    async (request): Promise<PasswordVerdict> => ({
      problem: await deps.passwordStrength.problemOf(request.body),
    }),
  );
}
