import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { FathomError } from '../../shared/errors.ts';
import type { Forwarder, HostPath } from './forwarder.ts';

/** Fastify 4 or 5. The package does not depend on its types. */
export interface HostFastify {
  readonly prefix: string;
  readonly server: object;
}

/** What the plugin uses of it. */
interface Instance {
  readonly prefix: string;
  readonly server: Pick<Server, 'on' | 'off' | 'listenerCount'>;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (request: unknown, payload: unknown, done: (error: Error | null) => void) => void,
  ): void;
  all(
    path: string,
    handler: (
      request: { raw: IncomingMessage },
      reply: { raw: ServerResponse; hijack(): unknown },
    ) => Promise<void>,
  ): void;
  get(path: string, handler: (request: unknown, reply: { redirect(url: string): unknown }) => void): void;
  addHook(name: 'preClose', hook: () => Promise<void>): void;
}

export type FathomPlugin = (app: HostFastify) => Promise<void>;

/** The API and the stream below the prefix with which the plugin is registered. */
export function fathomPlugin(forwarder: Forwarder): FathomPlugin {
  return async (host) => {
    const app = host as unknown as Instance;
    const { prefix, server } = app;
    if (/[:*]/.test(prefix))
      throw new FathomError('config.invalid', `the prefix '${prefix}' of the plugin has a parameter`);
    const at = ({ url = '' }: IncomingMessage): HostPath => ({
      prefix,
      path: url.slice(prefix.length) || '/',
    });
    // Fathom reads the bodies.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => done(null));

    /** Open streams. @fastify/websocket sends their requests to the routes as well. */
    const streams = new Set<Duplex>();
    app.all('/*', async ({ raw }, reply) => {
      reply.hijack();
      if (!streams.has(raw.socket)) await forwarder.handle(raw, reply.raw, at(raw));
    });
    // The page of owners loads its files from addresses relative to its own.
    if (prefix !== '')
      app.get('', (_request, reply) => {
        reply.redirect(`${prefix}/`);
      });

    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const [path] = at(request).path.split('?');
      if (path === '/ws' && request.url?.startsWith(prefix)) {
        streams.add(socket);
        socket.once('close', () => streams.delete(socket));
        void forwarder.upgrade(request, socket, head, at(request));
      } else if (server.listenerCount('upgrade') === 1) {
        // Node leaves the connection open.
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      }
    };
    server.on('upgrade', onUpgrade);
    app.addHook('preClose', async () => {
      server.off('upgrade', onUpgrade);
      // The server of the host waits for all connections.
      for (const socket of streams) socket.destroy();
    });
  };
}
