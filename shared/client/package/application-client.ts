import type { Credentials, Registration, Session } from '../../api/accounts/auth.ts';
import { FathomError } from '../../errors.ts';
import type { FathomClient } from '../client-methods.ts';
import { createFetchClient } from '../fetch-client.ts';
import { FleetStream, type StreamOptions } from '../stream.ts';
import { openWebSocket, type WebSocketConstructor } from './web-socket.ts';

export interface ApplicationClientOptions {
  /** Address of the daemon, such as `https://api.example.com`. A path is kept: `https://example.com/fathom`. */
  url: string | URL;
  /** A session token or an API key, for example one that the application has stored. */
  token?: string | undefined;
  /**
   * Called after a sign-in, a renewal and a sign-out, and when the daemon refuses the token. Null: no account is signed in. Store
   * `session.token` here.
   */
  onSession?: ((session: Session | null) => void) | undefined;
  /** Milliseconds until a request fails; 10 s by default. Operations that take longer have a longer default. */
  timeoutMs?: number | undefined;
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Replaces the global `WebSocket`. Node 20 has none: pass that of the package `ws`. */
  WebSocket?: WebSocketConstructor | undefined;
}

/** A database that answers, and a token of its owner for the PocketBase SDK. */
export interface OwnDatabase {
  name: string;
  url: string;
  token: string;
}

export type StreamHandlers = Pick<
  StreamOptions,
  'topics' | 'from' | 'onLink' | 'onSnapshot' | 'onEvent' | 'onProject' | 'onTopicRefused'
>;

export type ApplicationStream = Pick<
  FleetStream,
  'state' | 'subscribe' | 'unsubscribe' | 'retryNow' | 'close'
>;

/** All operations of the API by resource, with the token of the signed-in account. Errors are a `FathomError`. */
export interface ApplicationClient extends FathomClient {
  /** The token that requests are sent with; null if no account is signed in. */
  readonly token: string | null;
  /** The session of the last sign-in or renewal. Null at first, also with a stored token. */
  readonly session: Session | null;
  signUp(account: Registration): Promise<Session>;
  signIn(credentials: Credentials): Promise<Session>;
  /** Ends the session. Without an answer of the daemon, the token is forgotten and the error is thrown. */
  signOut(): Promise<void>;
  /** Gets a new session token and a new token of the database. The old session token ends. */
  renewSession(): Promise<Session>;
  /**
   * The own database for the PocketBase SDK. Renews the session if its token is not known, or the database did not run.
   *
   * @throws FathomError `not_found`: the account has none; `database.unavailable`: it does not run
   */
  myDatabase(): Promise<OwnDatabase>;
  /** Opens the stream. It connects again automatically until `close`. */
  openStream(handlers: StreamHandlers): ApplicationStream;
}

/** @throws FathomError `request.invalid` if the address is not one of a daemon */
export function createFathomClient(options: ApplicationClientOptions): ApplicationClient {
  const base = baseOf(options.url);
  let token = options.token ?? null;
  let session: Session | null = null;
  let renewal: Promise<Session> | null = null;

  const enter = (next: Session | null): void => {
    session = next;
    token = next?.token ?? null;
    options.onSession?.(next);
  };
  const shared = { base, timeoutMs: options.timeoutMs, fetch: options.fetch };
  const methods = createFetchClient({
    ...shared,
    token: () => token ?? undefined,
    // Another session may have begun meanwhile.
    onRefused: (refused) => refused === token && enter(null),
  });
  // The daemon refuses a sign-in that comes with a token that has ended.
  const guest = createFetchClient({ ...shared, token: () => undefined, onRefused: () => {} });
  const begin = async (started: Promise<Session>): Promise<Session> => {
    const begun = await started;
    enter(begun);
    return begun;
  };
  const renewSession = (): Promise<Session> => {
    renewal ??= begin(methods.auth.refresh()).finally(() => {
      renewal = null;
    });
    return renewal;
  };
  return {
    ...methods,
    get token() {
      return token;
    },
    get session() {
      return session;
    },
    signUp: (account) => begin(guest.auth.register(account)),
    signIn: (credentials) => begin(guest.auth.login(credentials)),
    async signOut() {
      if (token === null) return;
      const ended = token;
      try {
        await methods.auth.logout();
      } finally {
        if (token === ended) enter(null);
      }
    },
    renewSession,
    myDatabase: async () => accessOf(session) ?? requireAccess(await renewSession()),
    openStream(handlers) {
      const WebSocket = options.WebSocket ?? globalThis.WebSocket;
      if (WebSocket === undefined)
        throw new FathomError('request.invalid', 'There is no global WebSocket: pass the option WebSocket.');
      const stream = new FleetStream({
        ...handlers,
        open: (listener) => openWebSocket({ base, ticket: methods.auth.ticket, WebSocket }, listener),
      });
      stream.start();
      return stream;
    },
  };
}

function accessOf(session: Session | null): OwnDatabase | null {
  const { name, url, token } = session?.database ?? {};
  return name !== undefined && url && token ? { name, url, token } : null;
}

function requireAccess(session: Session): OwnDatabase {
  const access = accessOf(session);
  if (access !== null) return access;
  if (session.database === null) throw new FathomError('not_found', 'This account has no database.');
  throw new FathomError(
    'database.unavailable',
    `The database does not run: it is ${session.database.status}.`,
  );
}

/** The address with a slash at its end, so that paths are appended. */
function baseOf(address: string | URL): string {
  // Node 20 has no URL.parse.
  const url = URL.canParse(String(address)) ? new URL(address) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new FathomError(
      'request.invalid',
      'The url must be an http or https URL like https://api.example.com.',
    );
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new FathomError('request.invalid', 'The url must have no password, no query and no fragment.');
  return url.href.replace(/\/*$/, '/');
}
