import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Method } from '../api/contract/endpoint.ts';
import { FathomError, messageOf } from '../errors.ts';
import { ApiError } from './api-error.ts';
import type { RequestOptions, Transport } from './transport.ts';

export { ApiError } from './api-error.ts';

/** Where a daemon listens: an `http(s)://` address, or its local socket. */
export type Target = { url: string } | { socketPath: string };

export interface HttpClientOptions {
  target: Target;
  /** Session or API key; the local socket needs none. */
  token?: string | undefined;
  /** A role whose permissions are enough: the daemon grants no more. */
  role?: string | undefined;
  /** Timeout for a complete response in milliseconds; 10 s by default. */
  timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;
/** Timeout for the check whether a daemon that timed out runs at all. */
const ALIVE_TIMEOUT_MS = 1_000;
/** Responses of Fathom are smaller: pages have a maximum size. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/**
 * JSON over HTTP to one daemon. Every request opens its own connection, so no connection has to be closed or can be stale.
 * Frequent updates come over the stream instead.
 */
export class HttpClient implements Transport {
  readonly #options: HttpClientOptions;
  readonly #base: URL;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#base = baseUrl(options.target);
  }

  /** The address of the daemon, for messages. */
  get address(): string {
    const { target } = this.#options;
    return 'url' in target ? this.#base.href.replace(/\/$/, '') : target.socketPath;
  }

  /**
   * Returns undefined for an empty response. The response is not validated against `T`.
   * @throws ApiError the error response of the daemon; FathomError `daemon.unreachable` if no daemon answers
   */
  request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    return this.#ask(method, path, options, (response) => this.#read(response, options) as Promise<T>);
  }

  /**
   * Returns the body while it arrives. Reading it fails when it ends too early. The timeout is that of its beginning.
   *
   * @throws as `request`
   */
  stream(method: Method, path: string, options: RequestOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    return this.#ask(method, path, options, async (response) =>
      response.statusCode === 200 ? response : ((await this.#read(response, options)) as never),
    );
  }

  async #read(response: IncomingMessage, options: RequestOptions): Promise<unknown> {
    return this.#result(response, await readAll(response), options);
  }

  /** @param read has to end within the timeout */
  async #ask<T>(
    method: Method,
    path: string,
    options: RequestOptions,
    read: (response: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    const signal =
      options.signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, options.signal]);
    try {
      return await read(await this.#send(method, this.#urlOf(path, options.query), signal, options));
    } catch (error) {
      if (error instanceof FathomError) throw error;
      options.signal?.throwIfAborted();
      throw timeout.signal.aborted ? await this.#timeoutError(timeoutMs, error) : this.#unreachable(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #urlOf(path: string, query: RequestOptions['query'] = {}): URL {
    const url = new URL(this.#base.pathname.replace(/\/$/, '') + path, this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }

  #send(
    method: Method,
    url: URL,
    signal: AbortSignal,
    { body, mediaType: accept = 'application/json' }: RequestOptions = {},
  ): Promise<IncomingMessage> {
    const { target, token, role } = this.#options;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      accept,
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': payload.length }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(role === undefined ? {} : { 'fathom-role': role }),
    };
    const local = 'socketPath' in target ? { socketPath: target.socketPath } : {};
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      request(url, { method, headers, signal, agent: false, ...local }, resolve)
        .on('error', reject)
        .end(payload);
    });
  }

  #result(
    { statusCode: status = 0, headers }: IncomingMessage,
    text: string,
    options: RequestOptions,
  ): unknown {
    const type = headers['content-type'] ?? '';
    const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(type);
    const value = isJson ? parseJson(text) : undefined;
    if ((status >= 200 && status < 300) || options.resultStatuses?.includes(status)) {
      if (text === '') return undefined;
      if (value !== undefined) return value;
      if (options.mediaType !== undefined && type.startsWith(options.mediaType)) return text;
    } else if (value !== undefined && status >= 400) {
      throw new ApiError(status, typeof value === 'object' && value !== null ? value : {});
    }
    throw new FathomError(
      'daemon.unreachable',
      `${this.address} answered ${status} but is not a Fathom daemon; check the address`,
    );
  }

  /** If /health answers at once, the daemon runs and waits for the global PocketBase. */
  async #timeoutError(timeoutMs: number, cause: unknown): Promise<FathomError> {
    const late = `did not answer within ${timeoutMs / 1000} s`;
    if (await this.#isAlive()) {
      return new FathomError(
        'control_plane.unavailable',
        `the daemon at ${this.address} ${late}: the global PocketBase does not answer; see 'fathomd databases list'`,
        { cause },
      );
    }
    const next = "see its log, or 'fathomd doctor'";
    return new FathomError('daemon.unreachable', `the daemon at ${this.address} ${late}; ${next}`, { cause });
  }

  async #isAlive(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(ALIVE_TIMEOUT_MS);
      const response = await this.#send('GET', this.#urlOf('/health'), signal);
      response.resume();
      return response.statusCode === 200;
    } catch {
      return false;
    }
  }

  #unreachable(cause: unknown): FathomError {
    const code = errnoOf(cause);
    const local = 'socketPath' in this.#options.target;
    return new FathomError(
      'daemon.unreachable',
      `${whyUnreachable(code, cause)} at ${this.address}; ${nextStep(code, local)}`,
      { cause },
    );
  }
}

function baseUrl(target: Target): URL {
  if ('socketPath' in target) return new URL('http://localhost/');
  const url = URL.parse(target.url);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new FathomError(
      'request.invalid',
      "the daemon's address must be an http or https URL like http://127.0.0.1:3000",
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new FathomError(
      'request.invalid',
      "the daemon's address must not contain a password; set FATHOM_TOKEN instead",
    );
  }
  return url;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_RESPONSE_BYTES) throw new Error('the response is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function errnoOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errnoOf(error.errors[0]);
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no daemon listens',
  ENOENT: 'no daemon listens',
  ENOTDIR: 'no daemon listens',
  EACCES: 'this user may not reach the daemon',
  EPERM: 'this user may not reach the daemon',
  ECONNRESET: 'the connection to the daemon broke:',
  EPIPE: 'the connection to the daemon broke:',
  ENOTFOUND: 'the host name is unknown: no daemon',
  EAI_AGAIN: 'the host name cannot be looked up now: no daemon',
};

function whyUnreachable(code: string, cause: unknown): string {
  return REASONS[code] ?? `the daemon cannot be reached (${messageOf(cause)})`;
}

function nextStep(code: string, local: boolean): string {
  if (!local) return "check the address, and 'systemctl status fathomd' on that host";
  if (code === 'EACCES' || code === 'EPERM')
    return 'run this as the user of the daemon, or use --url with FATHOM_TOKEN';
  return "start it with 'systemctl start fathomd' or 'npm start', or name its socket with --socket";
}
