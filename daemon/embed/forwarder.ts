import { randomUUID } from 'node:crypto';
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FathomError } from '../../shared/errors.ts';
import type { HostLog } from './daemon-process.ts';

/** The address of a request at a host. */
export interface HostPath {
  /** Where the API is at the host, such as `/fathom`. */
  prefix: string;
  /** Below the prefix, with the query. */
  path: string;
}

interface ForwarderOptions {
  host: string;
  port: number;
  log: HostLog | undefined;
  addressOf(request: IncomingMessage): string;
  isRunning(): boolean;
  /** The token of the user of a request; null for none. Null: requests bring tokens of Fathom. */
  tokenOf: ((request: IncomingMessage) => Promise<string | null>) | null;
  onRefused(token: string): void;
}

/** Headers of one connection (RFC 9110, 7.6.1), and those that the forwarder sets itself. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Cookies of the host.
  'cookie',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  // A policy for the whole domain of the host.
  'strict-transport-security',
]);

/** Sends requests of a host to the API of the daemon, on the same machine. */
export class Forwarder {
  readonly #options: ForwarderOptions;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    { prefix, path }: HostPath,
  ): Promise<void> {
    try {
      const [headers, token] = await this.#headersFor(request);
      const left = new AbortController();
      response.once('close', () => left.abort());
      const answer = await this.#send(request, path, headers, left.signal);
      if (answer.statusCode === 401 && token !== null) this.#options.onRefused(token);
      const { location } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, {
        ...withoutOwn(answer.headers),
        ...(location?.startsWith('/') && { location: prefix + location }),
      });
      await pipeline(answer, response);
    } catch (error) {
      if (response.destroyed) return;
      if (response.headersSent) response.destroy();
      else this.#refuse(response, error);
    }
  }

  /** The stream. The tickets of `createFathomClient` come in its address. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, { path }: HostPath): Promise<void> {
    socket.on('error', () => socket.destroy());
    try {
      const [own] = await this.#headersFor(request);
      const headers = { ...own, connection: 'Upgrade', upgrade: request.headers.upgrade ?? '' };
      // The client has left.
      if (socket.destroyed) return;
      const { host, port } = this.#options;
      const upstream = send({ host, port, path, headers, agent: false }).end();
      socket.once('close', () => upstream.destroy());
      upstream.once('error', () => socket.destroy());
      upstream.once('response', (answer) => {
        answer.resume();
        socket.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nConnection: close\r\n\r\n`);
      });
      upstream.once('upgrade', (answer, peer, first) => {
        const lines = answer.rawHeaders.flatMap((name, index, all) =>
          index % 2 === 0 ? [`${name}: ${all[index + 1]}\r\n`] : [],
        );
        socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
        socket.write(first);
        peer.write(head);
        peer.on('error', () => socket.destroy());
        peer.once('close', () => socket.end());
        peer.pipe(socket).pipe(peer);
      });
    } catch (error) {
      this.#options.log?.warn({ err: error }, 'a stream of Fathom was refused');
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
    }
  }

  async #headersFor(request: IncomingMessage): Promise<[IncomingHttpHeaders, string | null]> {
    const { tokenOf } = this.#options;
    if (!this.#options.isRunning()) throw new FathomError('daemon.starting', 'Fathom is not started');
    const { authorization, ...headers } = withoutOwn(request.headers);
    const forwarded = { ...headers, 'x-forwarded-for': this.#options.addressOf(request) };
    if (tokenOf === null)
      return [authorization === undefined ? forwarded : { ...forwarded, authorization }, null];
    const token = await tokenOf(request);
    return [token === null ? forwarded : { ...forwarded, authorization: `Bearer ${token}` }, token];
  }

  #send(
    request: IncomingMessage,
    path: string,
    headers: IncomingHttpHeaders,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const upstream = send({ host, port, path, method: request.method, headers, signal, agent: false });
      upstream.once('response', resolve);
      upstream.on('error', reject);
      request.pipe(upstream);
    });
  }

  /** As Fathom itself answers (RFC 9457). */
  #refuse(response: ServerResponse, error: unknown): void {
    const requestId = randomUUID();
    const isKnown = error instanceof FathomError;
    if (!isKnown)
      this.#options.log?.error({ err: error, request_id: requestId }, 'a request of Fathom failed');
    const { code, status, message } = isKnown ? error : new FathomError('internal', 'The request failed.');
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(
      JSON.stringify({
        type: 'about:blank',
        title: message,
        status,
        detail: message,
        code,
        request_id: requestId,
      }),
    );
  }
}

function withoutOwn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name)));
}
