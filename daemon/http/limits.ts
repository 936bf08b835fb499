import type { IncomingMessage } from 'node:http';
import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import type { Buckets } from '../accounts/sign-in/buckets.ts';
import { networkOf, RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import type { Counts } from '../base/counts.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { isFromService, type ServiceTokens, type Transport } from './caller.ts';
import { clientAddress, normalizeAddress } from './client-address.ts';
import { passOf } from './forwarding/forwarded.ts';
import type { Api } from './serve.ts';

/** Number of addresses that are counted; the least recent ones are dropped. */
const CACHED_ADDRESSES = 20_000;
const RETRY_MS = 1_000;

/** Requests with one of the tokens are not counted. */
export interface LimitDeps extends ServiceTokens {
  settings: LiveSettings;
  /** Concurrent requests and streams behind trusted proxies, by client network. */
  proxied: Counts;
  trustedProxies: readonly string[];
  /** Audited requests in an hour, by user. */
  changes: Buckets;
}

/** Limits requests per minute and client address, before authentication. The local socket is not limited. */
export async function limitRequests(app: Api, deps: LimitDeps, transport: Transport): Promise<void> {
  if (transport === 'socket') return;
  await app.register(rateLimit, { global: false, cache: CACHED_ADDRESSES });
  app.addHook(
    'onRequest',
    app.rateLimit({
      max: () => deps.settings.limits.requestsPerMinute,
      timeWindow: 60_000,
      keyGenerator: (request) => networkOf(clientAddress(request.raw, deps.trustedProxies)),
      // A client on the local socket of another node is not limited, as here.
      allowList: (request) =>
        isFromService(request.headers, deps) || (passOf(request.raw)?.local ?? null) !== null,
      errorResponseBuilder: (_request, { ttl }) => new RateLimitedError('too many requests', ttl),
    }),
  );
  app.addHook('onRequest', (request, reply, done) => {
    reply.raw.once('close', takeProxied(request.raw, deps));
    done();
  });
}

/**
 * Counts a request or stream for the client behind a trusted proxy or another node. Connections of other clients are limited themselves.
 *
 * @returns the function that ends the count
 * @throws RateLimitedError
 */
export function takeProxied(
  request: IncomingMessage,
  { proxied, settings, trustedProxies }: Pick<LimitDeps, 'proxied' | 'settings' | 'trustedProxies'>,
): () => void {
  const client = clientAddress(request, trustedProxies);
  const peer = normalizeAddress(request.socket.remoteAddress ?? '');
  // Clients on a local socket have no address.
  if (client === peer || client === '') return () => {};
  const release = proxied.take(networkOf(client), settings.limits.connectionsPerAddress);
  if (release) return release;
  throw new RateLimitedError('too many requests of this address are open', RETRY_MS);
}

/**
 * Counts a request that the audit log records, so that one account cannot fill it. Call it before the permission is checked:
 * refused requests are recorded as well.
 *
 * @throws RateLimitedError
 */
export function countChange(
  { caller, routeOptions }: FastifyRequest,
  { changes, settings }: Pick<LimitDeps, 'changes' | 'settings'>,
): void {
  if (typeof routeOptions.config.audit !== 'string') return;
  if (caller === null || caller.kind === 'local' || caller.role !== 'user') return;
  const limit = settings.limits.changesPerUser;
  changes.resize(limit);
  const waitMs = changes.waitMs(caller.userId);
  if (waitMs > 0) throw new RateLimitedError(`a user can make ${limit} changes in an hour`, waitMs);
  changes.take(caller.userId);
}
