import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { FathomClient } from '../../shared/client/client-methods.ts';
import { createClient } from '../../shared/client/fathom-client.ts';
import { FathomError } from '../../shared/errors.ts';
import { connectHost } from '../../shared/host.ts';
import { awaitReady } from '../cli/daemon/await-ready.ts';
import { DaemonProcess, type HostLog } from './daemon-process.ts';
import { type FathomPlugin, fathomPlugin } from './fastify-plugin.ts';
import { Forwarder, type HostPath } from './forwarder.ts';
import { HostAccounts, type HostUser } from './host-accounts.ts';

const POLL_EVERY_MS = 100;

/** Settings by their names in docs/settings.md. Those of the environment of the host are not read. */
export interface FathomSettings {
  /** Everything that Fathom stores. */
  FATHOM_DATA_DIR: string;
  [setting: Uppercase<string>]: string | number | boolean | undefined;
}

export type FathomOptions = FathomSettings & {
  /** Gets the log of Fathom, such as the logger of Fastify. Without it, the log is dropped. */
  log?: HostLog;
  /**
   * The user of a request, who needs no other sign-in; null for none. Without it, requests are authenticated by Fathom.
   * What it throws is answered with 500. With it, SIGN_UP_MODE is `closed` by default.
   */
  authenticate?: (request: IncomingMessage) => HostUser | null | Promise<HostUser | null>;
  /** Needed with `authenticate`: at least 32 characters, from which the passwords of accounts derive. Keep it for good. */
  accountSecret?: string;
  /** The address of a client, for limits and sessions. Needed behind a reverse proxy; default: the address of the connection. */
  addressOf?: (request: IncomingMessage) => string;
  /** The daemon ended, and was not asked to. Call `start` to begin again. */
  onExit?: (error: FathomError) => void;
};

/** Fathom as a part of a host platform. */
export interface Fathom {
  /** All operations, as an administrator. */
  readonly client: FathomClient;
  /**
   * Starts the daemon, and resolves when it is ready.
   *
   * @throws FathomError `data_dir.locked`, `config.invalid`, `server.port_in_use` and others, with what the daemon said
   */
  start(): Promise<void>;
  /** Stops the daemon and its databases. It can be started again. */
  stop(): Promise<void>;
  /** The session of a user of the host, with the URL and a token of the own database. Creates the account at first. */
  signIn(user: HostUser): Promise<Session>;
  /** `app.register(fathom.plugin, { prefix: '/fathom' })`: the API below the prefix, with the stream. For Fastify 4 and 5. */
  readonly plugin: FathomPlugin;
  /** For other servers: answers a request. */
  handle(request: IncomingMessage, response: ServerResponse, at: HostPath): Promise<void>;
  /** For other servers: opens the stream, in the event `upgrade` of a server. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, at: HostPath): Promise<void>;
}

/** @throws FathomError `config.invalid` */
export function createFathom(options: FathomOptions): Fathom {
  const { log, authenticate, accountSecret, addressOf, onExit, ...named } = options;
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(named)) if (value !== undefined) settings[name] = String(value);
  const dataDir = resolve(options.FATHOM_DATA_DIR);
  if (authenticate !== undefined && (accountSecret?.length ?? 0) < 32)
    throw new FathomError('config.invalid', 'authenticate needs an accountSecret of at least 32 characters');
  const env = {
    // The address of a client comes from the host.
    TRUSTED_PROXIES: '127.0.0.1,::1',
    // A guest could sign up with the address of a user of the host, who could then not sign in.
    ...(authenticate === undefined ? {} : { SIGN_UP_MODE: 'closed' }),
    ...settings,
    FATHOM_DATA_DIR: dataDir,
  };

  const client = createClient({
    target: { socketPath: settings['FATHOM_SOCKET'] ?? join(dataDir, 'run', 'fathomd.sock') },
  });
  const accounts = new HostAccounts(client, accountSecret ?? '');
  let daemon: DaemonProcess | null = null;
  let stopping = Promise.resolve();

  const forwarder = new Forwarder({
    host: connectHost(settings['SERVER_HOST'] ?? '127.0.0.1'),
    port: Number(settings['SERVER_PORT'] ?? 3000),
    log,
    addressOf: addressOf ?? (({ socket }) => socket.remoteAddress ?? ''),
    isRunning: () => daemon?.isReady === true,
    tokenOf:
      authenticate === undefined
        ? null
        : async (request) => {
            const user = await authenticate(request);
            return user === null ? null : (await accounts.signIn(user)).token;
          },
    onRefused: (token) => accounts.forget(token),
  });

  const stop = (): Promise<void> => {
    if (daemon !== null) stopping = daemon.stop();
    daemon = null;
    return stopping;
  };

  return {
    client,
    async start() {
      await stopping;
      if (daemon !== null) throw new FathomError('conflict', 'Fathom is started already');
      const started = new DaemonProcess({ env, dataDir, log });
      daemon = started;
      const ended = new AbortController();
      const watch = async (): Promise<FathomError> => {
        const error = await started.exited;
        ended.abort();
        if (daemon !== started)
          return new FathomError('conflict', 'Fathom was stopped before it was ready', { cause: error });
        daemon = null;
        if (isReady) onExit?.(error);
        return error;
      };
      let isReady = false;
      const exited = watch();
      const ready = awaitReady({
        status: (signal) => started.requireOwn(client.daemon.status({ signal })),
        onWaiting: (what) => log?.debug({}, `fathom waits for ${what}`),
        signal: ended.signal,
        pollEveryMs: POLL_EVERY_MS,
      });
      try {
        await Promise.race([exited, ready]);
      } catch (error) {
        await stop();
        throw error;
      }
      if (ended.signal.aborted) throw await exited;
      isReady = true;
      started.isReady = true;
    },
    stop,
    signIn(user) {
      if (accountSecret === undefined)
        throw new FathomError('config.invalid', 'signIn needs an accountSecret of at least 32 characters');
      return accounts.signIn(user);
    },
    plugin: fathomPlugin(forwarder),
    handle: (request, response, at) => forwarder.handle(request, response, at),
    upgrade: (request, socket, head, at) => forwarder.upgrade(request, socket, head, at),
  };
}
