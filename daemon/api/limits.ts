import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import rateLimit from '@fastify/rate-limit';
import { blockListOf } from '../config/limits.ts';
import { HOOK_TOKEN_HEADER, isHookToken } from '../security/hook-token.ts';
import { networkOf, RateLimitedError } from '../security/sign-in-limits.ts';
import type { Transport } from './caller.ts';
import type { ApiDeps } from './deps.ts';
import type { Api } from './server.ts';

/** Addresses counted at a time. */
const CACHED_ADDRESSES = 20_000;

/** Before anything is looked up for a request: so many a minute from one address. The local socket is not limited. */
export async function limitRequests(app: Api, deps: ApiDeps, transport: Transport): Promise<void> {
  if (transport === 'socket') return;
  await app.register(rateLimit, { global: false, cache: CACHED_ADDRESSES });
  app.addHook(
    'onRequest',
    app.rateLimit({
      max: () => deps.settings.limits.requestsPerMinute,
      timeWindow: 60_000,
      keyGenerator: (request) => networkOf(request.ip),
      allowList: (request) => isHookToken(request.headers[HOOK_TOKEN_HEADER], deps.hookToken),
      errorResponseBuilder: (_request, { ttl }) => new RateLimitedError('too many requests', ttl),
    }),
  );
}

/**
 * Who connects, for requests that Fastify does not see: the peer, or whom it names in X-Forwarded-For if it is one of
 * TRUSTED_PROXIES, from the right for as long as those named are.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '').split(',');
  const trusted = blockListOf(trustedProxies);
  let address = plain(request.socket.remoteAddress ?? '');
  while (trusted?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) {
    const before = plain(forwarded.pop()?.trim() ?? '');
    if (before === '') break;
    address = before;
  }
  return address;
}

function plain(address: string): string {
  return address.replace(/^::ffff:/, '');
}
