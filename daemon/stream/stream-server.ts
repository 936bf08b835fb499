import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { FathomError } from '../../shared/errors.ts';
import { MAX_CLIENT_FRAME_BYTES, WEBSOCKET_SUBPROTOCOL } from '../../shared/protocol.ts';
import { scopeOf } from '../accounts/permissions.ts';
import type { Identities, Identity } from '../accounts/sessions/identities.ts';
import type { Tickets } from '../accounts/sessions/tickets.ts';
import { Buckets } from '../accounts/sign-in/buckets.ts';
import { networkOf, RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { repeat } from '../base/time/repeat.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { type Caller, identifyCaller, type Transport } from '../http/caller.ts';
import { clientAddress } from '../http/client-address.ts';
import { formatProblemResponse, toFathomError } from '../http/problem.ts';
import type { Api } from '../http/serve.ts';
import type { StreamReaderDeps } from './reader.ts';
import { StreamReader } from './reader.ts';

/** Longest wait for Node's timers, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** RFC 6455: policy violation; here the session behind the connection has ended. */
const POLICY_VIOLATION = 1008;
/** RFC 6455: going away. */
const GOING_AWAY = 1001;
/** More than that is a program that does not close what it opens. */
const MAX_STREAMS_OF_ONE = 100;
/** A reader that has not answered one ping by the next is gone, whatever TCP says. */
const HEARTBEAT_MS = 30_000;

export interface StreamDeps extends StreamReaderDeps {
  identities: Identities;
  settings: LiveSettings;
  tickets: Tickets<Caller>;
  trustedProxies: readonly string[];
}

/** `GET /ws`: who connects is known before the connection is upgraded. Returns what closes all connections. */
export function attachStream(api: Api, deps: StreamDeps, transport: Transport): () => void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_CLIENT_FRAME_BYTES,
    handleProtocols: (offered) => (offered.has(WEBSOCKET_SUBPROTOCOL) ? WEBSOCKET_SUBPROTOCOL : false),
  });

  const readers = new Map<WebSocket, { caller: Caller; answered: boolean }>();
  const asManyAsRequests = () => {
    const capacity = () => deps.settings.limits.requestsPerMinute;
    const buckets = new Buckets({ capacity: capacity(), windowMs: 60_000, clock: deps.clock });
    return (from: string) => {
      buckets.resize(capacity());
      const waitMs = buckets.waitMs(from);
      if (waitMs === 0) buckets.take(from);
      return waitMs;
    };
  };
  const takeUpgrade = asManyAsRequests();
  const takeSubscription = asManyAsRequests();

  const openOf = (caller: Caller) =>
    caller.kind === 'local'
      ? 0
      : [...readers.values()].filter(
          (other) => other.caller.kind !== 'local' && other.caller.userId === caller.userId,
        ).length;

  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = URL.parse(request.url ?? '/', 'http://localhost');
    if (url?.pathname !== '/ws') throw new FathomError('not_found', 'the stream is at /ws');
    checkOrigin(request.headers.origin, deps.settings.corsOrigins);
    // Not limited, as its requests are not.
    const from = transport === 'tcp' ? networkOf(clientAddress(request, deps.trustedProxies)) : null;
    const waitMs = from === null ? 0 : takeUpgrade(from);
    if (waitMs > 0) throw new RateLimitedError('too many connections were opened', waitMs);
    const caller = await callerOf(request, url, deps, transport);
    if (openOf(caller) >= MAX_STREAMS_OF_ONE) {
      throw new RateLimitedError(`${MAX_STREAMS_OF_ONE} streams are open for this account`, HEARTBEAT_MS);
    }
    // Whoever asks faster than that waits: the answers are the same, and late.
    const spend = async () => {
      for (;;) {
        const waits = from === null ? 0 : takeSubscription(from);
        if (waits === 0) return;
        await deps.clock.sleep(waits);
      }
    };
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const reader = { caller, answered: true };
      readers.set(webSocket, reader);
      webSocket.on('pong', () => {
        reader.answered = true;
      });
      webSocket.once('close', () => readers.delete(webSocket));
      // oxlint-disable-next-line no-new -- it lives as long as the connection that it listens to
      new StreamReader(webSocket, caller, spend, deps);
      if (caller.kind !== 'local') endWithIdentity(webSocket, caller, deps);
    });
  };

  api.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => refuse(socket, toFathomError(error)));
  });

  const stopHeartbeat = repeat(deps.clock, HEARTBEAT_MS, async () => {
    for (const [webSocket, reader] of readers) {
      if (!reader.answered) {
        webSocket.terminate();
        continue;
      }
      reader.answered = false;
      webSocket.ping();
      if (!(await isStillGood(reader.caller, deps))) {
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

/** Closes the connection when the session or key behind it ends, or the role changes that it was opened with. */
function endWithIdentity(webSocket: WebSocket, identity: Identity, deps: StreamDeps): void {
  const close = () => webSocket.close(POLICY_VIOLATION, 'the session has ended');
  const leftMs = (identity.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) - deps.clock.now().getTime();
  const timer = setTimeout(close, Math.min(leftMs, MAX_TIMER_MS));
  const endUnlessGood = async () => {
    if (!(await isStillGood(identity, deps))) close();
  };
  const unsubscribe = deps.identities.onChange((userId) => {
    if (userId !== identity.userId) return;
    void endUnlessGood();
  });
  webSocket.once('close', () => {
    clearTimeout(timer);
    unsubscribe();
  });
}

async function callerOf(
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

/** In case a change was not told. One that nobody can answer now is asked for again at the next beat. */
async function isStillGood(caller: Caller, { identities, log }: StreamDeps): Promise<boolean> {
  if (caller.kind === 'local') return true;
  try {
    return await identities.isStillValid(caller);
  } catch (error) {
    log.debug({ err: error }, 'whether a session is still good could not be asked');
    return true;
  }
}

/** Browsers send an origin; programs need not. @throws FathomError `auth.forbidden` */
function checkOrigin(origin: string | undefined, allowed: readonly string[]): void {
  if (origin !== undefined && !allowed.includes(origin)) {
    throw new FathomError('auth.forbidden', 'this origin is not in CORS_ORIGINS');
  }
}

function refuse(socket: Duplex, { status, code, message }: FathomError): void {
  socket.end(formatProblemResponse(status, { type: 'about:blank', title: message, status, code }));
}
