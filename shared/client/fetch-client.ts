import type { Method } from '../api/contract/endpoint.ts';
import { FathomError } from '../errors.ts';
import { ApiError } from './api-error.ts';
import { type FathomClient, methodsOver } from './client-methods.ts';
import type { RequestOptions, Transport } from './transport.ts';

export interface FetchClientOptions {
  /** The address of the daemon, which ends with a slash. */
  base: string;
  /** Read for each request: it may be renewed. */
  token(): string | undefined;
  /** The daemon refused this token. */
  onRefused(token: string): void;
  /** Of requests that have none of their own; 10 s by default. */
  timeoutMs?: number | undefined;
  fetch?: typeof globalThis.fetch | undefined;
}

interface Sending {
  signal: AbortSignal;
  token: string | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** The client of browsers. */
export function createFetchClient(options: FetchClientOptions): FathomClient {
  return methodsOver(new FetchTransport(options));
}

class FetchTransport implements Transport {
  readonly #options: FetchClientOptions;

  constructor(options: FetchClientOptions) {
    this.#options = options;
  }

  request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    return this.#within(options, async (sending) => {
      const response = await this.#send(method, path, options, sending);
      return (await this.#result(response, options)) as T;
    });
  }

  /** The timeout is that of the beginning. */
  stream(method: Method, path: string, options: RequestOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    return this.#within(options, async (sending) => {
      const response = await this.#send(method, path, options, sending);
      if (response.status !== 200 || response.body === null) await this.#result(response, options);
      // Typed without iteration, which older browsers lack.
      return response.body as unknown as AsyncIterable<Uint8Array>;
    });
  }

  async #within<T>(options: RequestOptions, work: (sending: Sending) => Promise<T>): Promise<T> {
    const token = this.#options.token();
    const timeout = new AbortController();
    const timer = setTimeout(
      () => timeout.abort(),
      options.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    );
    try {
      const signal = options.signal ? AbortSignal.any([timeout.signal, options.signal]) : timeout.signal;
      return await work({ signal, token });
    } catch (error) {
      // Not a wrong password, which is `auth.failed`.
      if (token !== undefined && error instanceof ApiError && error.code === 'auth.required')
        this.#options.onRefused(token);
      if (error instanceof FathomError) throw error;
      options.signal?.throwIfAborted();
      throw new FathomError(
        'daemon.unreachable',
        'The server does not answer. Check your connection, then try again.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(
    method: Method,
    path: string,
    options: RequestOptions,
    { signal, token }: Sending,
  ): Promise<Response> {
    const url = new URL(path.replace(/^\//, ''), this.#options.base);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    // Browsers refuse to call it as a method of another object.
    const { fetch = globalThis.fetch } = this.#options;
    return fetch(url, {
      method,
      headers: {
        accept: options.mediaType ?? 'application/json',
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      signal,
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    });
  }

  async #result(response: Response, options: RequestOptions): Promise<unknown> {
    const { status } = response;
    const text = await response.text();
    const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '');
    const value = isJson ? parseJson(text) : undefined;
    if (response.ok || options.resultStatuses?.includes(status)) {
      if (text === '') return undefined;
      if (value !== undefined) return value;
    } else if (typeof value === 'object' && value !== null) {
      throw new ApiError(status, value, retryAfterOf(response));
    }
    throw new FathomError(
      'daemon.unreachable',
      response.ok
        ? `The server at ${this.#options.base} is not a Fathom daemon. Check the address.`
        : `The server answered ${status} without an explanation. Try again later.`,
      { retryAfterS: retryAfterOf(response) },
    );
  }
}

/** Fathom sends seconds. Proxies may send a date, which is left out. */
function retryAfterOf({ headers }: Response): number | null {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
