import { listSignInProviders, signInByProvider } from '../../../shared/api/accounts/auth.ts';
import { FathomError } from '../../../shared/errors.ts';
import { openSession } from '../../databases/owner/database-access.ts';
import { originOf } from '../../http/client-address.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { AuthRoutesDeps } from './auth-routes.ts';
import { Buckets } from './buckets.ts';
import { networkOf, RateLimitedError } from './sign-in-limits.ts';

/** Each code is a request to the provider, also a wrong one. */
const CODES_PER_MINUTE = 30;

/** Registers the routes of sign-ins with a provider. */
export function providerRoutes(app: Api, deps: AuthRoutesDeps): void {
  const codes = new Buckets({ capacity: CODES_PER_MINUTE, windowMs: 60_000, clock: deps.clock });

  serve(app, listSignInProviders, async () => ({ items: await deps.users.signInProviders() }));

  serve(app, signInByProvider, async (request) => {
    const origin = originOf(request, deps.trustedProxies);
    const network = networkOf(origin.address);
    const waitMs = codes.waitMs(network);
    if (waitMs > 0) throw new RateLimitedError('too many sign-ins with a provider', waitMs);
    codes.take(network);
    const { provider } = request.params;
    const user = await deps.signInBudget.run(() =>
      deps.users.signInByProvider({ provider, ...request.body }, origin.address),
    );
    if (user) return openSession(user, origin, deps);
    throw new FathomError('auth.failed', 'the account is not active');
  });
}
