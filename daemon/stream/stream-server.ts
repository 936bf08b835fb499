import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { FathomError } from '../../shared/errors.ts';
import {
  FLEET_PROTOBUF_SUBPROTOCOL,
  MAX_CLIENT_FRAME_BYTES,
  WEBSOCKET_SUBPROTOCOL,
  WORK_SUBPROTOCOL,
} from '../../shared/protocol.ts';
import { scopeOf } from '../accounts/permissions.ts';
import type { UserLimits } from '../accounts/plans/user-limits.ts';
import { type Identities, type Identity, isOf } from '../accounts/sessions/identities.ts';
import type { Tickets } from '../accounts/sessions/tickets.ts';
import { Buckets } from '../accounts/sign-in/buckets.ts';
import { networkOf, RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { Counts } from '../base/counts.ts';
import { repeat } from '../base/time/repeat.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { type Caller, identifyCaller, type Transport } from '../http/caller.ts';
import { clientAddress } from '../http/client-address.ts';
import { takeProxied } from '../http/limits.ts';
import { formatRefusal, toFathomError } from '../http/problem.ts';
import type { Api } from '../http/serve.ts';
import { type Codec, jsonCodec } from './codec.ts';
import { StreamConnection, type StreamConnectionDeps } from './stream-connection.ts';

/** The longest timeout of Node's timers, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** RFC 6455: policy violation; here the session of the connection has ended. */
const POLICY_VIOLATION = 1008;
/** RFC 6455: going away. */
const GOING_AWAY = 1001;
/** Subscriptions of one account per minute, as a share of the limit of requests. */
const SUBSCRIPTION_SHARE = 0.1;
/** A client that has not answered a ping when the next one is due is disconnected. */
const HEARTBEAT_MS = 30_000;

export interface StreamDeps extends StreamConnectionDeps {
  identities: Identities;
  userLimits: UserLimits;
  settings: LiveSettings;
  tickets: Tickets<Caller>;
  trustedProxies: readonly string[];
  proxied: Counts;
}

/** Serves the stream at `/ws`. Callers authenticate before the upgrade. Returns a function that closes all connections. */
export function attachStream(api: Api, deps: StreamDeps, transport: Transport): () => void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CLIENT_FRAME_BYTES,
    handleProtocols: (offered) => chooseProtocol(offered) ?? false,
  });

  const connections = new Map<WebSocket, { caller: Caller; answered: boolean }>();
  const createLimit = (share = 1) => {
    const capacity = () => Math.max(1, deps.settings.limits.requestsPerMinute * share);
    const buckets = new Buckets({ capacity: capacity(), windowMs: 60_000, clock: deps.clock });
    return (from: string) => {
      buckets.resize(capacity());
      const waitMs = buckets.waitMs(from);
      if (waitMs === 0) buckets.take(from);
      return waitMs;
    };
  };
  const takeUpgrade = createLimit();
  const takeSubscription = createLimit();
  const takeSubscriptionOfAccount = createLimit(SUBSCRIPTION_SHARE);
  const streams = new Counts();

  const takeStream = (caller: Caller, limit: number | null): (() => void) => {
    if (caller.kind === 'local' || limit === null) return () => {};
    const release = streams.take(caller.userId, limit);
    if (release) return release;
    throw new RateLimitedError(`${limit} streams are open for this account; close some`, HEARTBEAT_MS);
  };

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    if (url?.pathname !== '/ws') throw new FathomError('not_found', 'the stream is at /ws');
    checkOrigin(request.headers, deps.settings.corsOrigins);
    // The local socket is not limited.
    const network = transport === 'tcp' ? networkOf(clientAddress(request, deps.trustedProxies)) : null;
    const waitMs = network === null ? 0 : takeUpgrade(network);
    if (waitMs > 0) throw new RateLimitedError('too many connections were opened', waitMs);
    const caller = await authenticate(request, url, deps, transport);
    const maxStreams = caller.kind === 'local' ? null : (await deps.userLimits.of(caller.userId)).streams;
    const codec = await codecOf(request);
    // The client may be gone, and then nothing would end the counts.
    if (socket.destroyed) return;
    // Both counts end with the socket, also when the upgrade fails.
    socket.once('close', takeStream(caller, maxStreams));
    if (network !== null) socket.once('close', takeProxied(request, deps));
    const account = caller.kind === 'local' ? null : caller.userId;
    const awaitSubscriptionLimit = async () => {
      for (;;) {
        const subscriptionWaitMs = Math.max(
          network === null ? 0 : takeSubscription(network),
          account === null ? 0 : takeSubscriptionOfAccount(account),
        );
        if (subscriptionWaitMs === 0) return;
        await deps.clock.sleep(subscriptionWaitMs);
      }
    };
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = { caller, answered: true };
      connections.set(webSocket, connection);
      webSocket.on('pong', () => {
        connection.answered = true;
      });
      webSocket.once('close', () => connections.delete(webSocket));
      // oxlint-disable-next-line no-new -- it lives as long as the socket that it listens to
      new StreamConnection(webSocket, codec, caller, awaitSubscriptionLimit, deps);
      if (caller.kind !== 'local') endWithIdentity(webSocket, caller, deps);
    });
  };

  api.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => refuse(socket, toFathomError(error)));
  });

  const stopHeartbeat = repeat(deps.clock, HEARTBEAT_MS, async () => {
    for (const [webSocket, connection] of connections) {
      if (!connection.answered) {
        webSocket.terminate();
        continue;
      }
      connection.answered = false;
      webSocket.ping();
      if (!(await isStillValid(connection.caller, deps))) {
        webSocket.close(POLICY_VIOLATION, 'the account has changed; sign in again');
      }
    }
  });

  return () => {
    void stopHeartbeat();
    for (const client of server.clients) {
      client.close(GOING_AWAY, 'the daemon is stopping');
      client.terminate();
    }
    server.close();
  };
}

/** Those in protobuf are loaded for the first client. */
const CODECS = new Map<string, () => Promise<Codec>>([
  [WEBSOCKET_SUBPROTOCOL, () => Promise.resolve(jsonCodec)],
  [WORK_SUBPROTOCOL, async () => (await import('./work-codec.ts')).workCodec],
  [FLEET_PROTOBUF_SUBPROTOCOL, async () => (await import('./fleet-codec.ts')).fleetCodec],
]);

/** The first that the client offers and the daemon has. */
function chooseProtocol(offered: Iterable<string>): string | undefined {
  return [...offered].find((one) => CODECS.has(one));
}

async function codecOf({ headers }: IncomingMessage): Promise<Codec> {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  return CODECS.get(chooseProtocol(offered) ?? '')?.() ?? jsonCodec;
}

/** Closes the connection when its session or key ends, or the role of the user changes. */
function endWithIdentity(webSocket: WebSocket, identity: Identity, deps: StreamDeps): void {
  const close = () => webSocket.close(POLICY_VIOLATION, 'the session has ended');
  const leftMs = (identity.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - deps.clock.now().getTime();
  const timer = setTimeout(close, Math.min(leftMs, MAX_TIMER_MS));
  const closeUnlessValid = async () => {
    if (!(await isStillValid(identity, deps))) close();
  };
  const unsubscribe = deps.identities.onChange((userId) => {
    if (isOf(identity, userId)) void closeUnlessValid();
  });
  webSocket.once('close', () => {
    clearTimeout(timer);
    unsubscribe();
  });
}

async function authenticate(
  request: IncomingMessage,
  url: URL,
  deps: StreamDeps,
  transport: Transport,
): Promise<Caller> {
  const ticket = url.searchParams.get('ticket');
  const caller =
    ticket === null
      ? await identifyCaller(request.headers, { ...deps, transport })
      : deps.tickets.redeem(ticket);
  // The session may have ended since the ticket was given.
  const ended =
    ticket !== null && caller && caller.kind !== 'local' && !(await deps.identities.isStillValid(caller));
  if (!caller || ended) {
    throw new FathomError(
      'auth.required',
      'send a session token in the Authorization header, or a ticket of /api/v1/ws-ticket',
    );
  }
  if (scopeOf(caller, 'stream.open') === null) {
    throw new FathomError('auth.forbidden', 'this needs the permission stream.open');
  }
  return caller;
}

/** Asks the control plane, in case a change was not reported. When it cannot answer, the next heartbeat asks again. */
async function isStillValid(caller: Caller, { identities, log }: StreamDeps): Promise<boolean> {
  if (caller.kind === 'local') return true;
  try {
    return await identities.isStillValid(caller);
  } catch (error) {
    log.debug({ err: error }, 'cannot check whether a session is still valid');
    return true;
  }
}

/** Checks the origin that browsers send; programs may leave it out. @throws FathomError `auth.forbidden` */
function checkOrigin({ origin, host }: IncomingHttpHeaders, allowed: readonly string[]): void {
  if (origin === undefined || allowed.includes(origin) || isSameHost(origin, host)) return;
  throw new FathomError('auth.forbidden', 'this origin is not in CORS_ORIGINS');
}

/** Whether a page of this server opens the stream. A proxy may leave the port out of `host`. */
function isSameHost(origin: string, host = ''): boolean {
  const url = URL.parse(origin);
  return url !== null && host !== '' && [url.host, url.hostname].includes(host.toLowerCase());
}

function refuse(socket: Duplex, error: FathomError): void {
  // A client that does not close its side would hold the connection.
  socket.end(formatRefusal(error), () => socket.destroy());
}
