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
    return this.#within(options, async (signal) => {
      const response = await this.#send(method, path, options, signal);
      return (await this.#result(response, options)) as T;
    });
  }

  /** The timeout is that of the beginning. */
  stream(method: Method, path: string, options: RequestOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    return this.#within(options, async (signal) => {
      const response = await this.#send(method, path, options, signal);
      if (response.status !== 200 || response.body === null) await this.#result(response, options);
      // Typed without iteration, which older browsers lack.
      return response.body as unknown as AsyncIterable<Uint8Array>;
    });
  }

  async #within<T>(options: RequestOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    try {
      return await work(options.signal ? AbortSignal.any([timeout.signal, options.signal]) : timeout.signal);
    } catch (error) {
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

  async #send(method: Method, path: string, options: RequestOptions, signal: AbortSignal): Promise<Response> {
    const token = this.#options.token();
    const url = new URL(path.replace(/^\//, ''), this.#options.base);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const response = await fetch(url, {
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
    if (response.status === 401 && token !== undefined) this.#options.onRefused(token);
    return response;
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
      throw new ApiError(status, value);
    }
    throw new FathomError(
      'daemon.unreachable',
      `The server answered ${status} without an explanation. Try again later.`,
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
