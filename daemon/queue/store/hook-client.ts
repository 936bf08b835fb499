import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { QueueOperations } from '../../../shared/hooks/queue-operations.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { HOOK_TOKEN_HEADER } from '../../keys/hook-token.ts';
import { type HttpAnswer, HttpConnection } from './http-connection.ts';

export interface HookClientOptions {
  /** URL of the global PocketBase. */
  url: string;
  hookToken: string;
  /** How long a call waits for a connection, and then for the response. */
  timeoutMs?: number;
}

/** PocketBase waits 10 s for the lock of another program, and a second write behind it waits 10 s more. */
const TIMEOUT_MS = 20_000;
/** The client waits longer than the hook may work, so that it receives a response at the last moment. */
const RESPONSE_MARGIN_MS = 1_000;
/** PocketBase serializes writes. Waiting writes must leave connections for reads. */
const MAX_CONNECTIONS = 64;
/** The time until which the hook may process the request: milliseconds since 1970, by the clock of the common host. */
const UNTIL_HEADER = 'x-fathom-until';
/** Too slow, too many requests, nothing can be stored: a retry makes sense. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 429, 503]);
/** `URL` removes the default port. */
const HTTP_PORT = 80;

function targetOf(url: string): { host: string; target: { host: string; port: number } } {
  const { host, hostname, port } = new URL(url);
  // Sockets take an IPv6 address without brackets.
  return { host, target: { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || HTTP_PORT) } };
}

/** Calls the queue's hooks of the global PocketBase (`pb_hooks/global/queue/*.js`) over persistent connections. */
export class HookClient {
  #target: { host: string; port: number; timeoutMs: number };
  #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #connections = new Set<HttpConnection>();
  readonly #turns = new Semaphore(MAX_CONNECTIONS);
  readonly #never = new AbortController().signal;
  #isClosed = false;

  constructor({ url, hookToken, timeoutMs = TIMEOUT_MS }: HookClientOptions) {
    this.#timeoutMs = timeoutMs;
    const { host, target } = targetOf(url);
    this.#target = { ...target, timeoutMs: timeoutMs + RESPONSE_MARGIN_MS };
    this.#headers = { host, 'content-type': 'application/json', [HOOK_TOKEN_HEADER]: hookToken };
  }

  /** Calls the global PocketBase of another host from now on. Call it before the first request. */
  redirect(url: string): void {
    const { host, target } = targetOf(url);
    this.#target = { ...this.#target, ...target };
    this.#headers = { ...this.#headers, host };
  }

  /**
   * @throws FathomError `control_plane.unavailable` when the result is unknown or nothing can be stored now;
   * `config.invalid` when the hook token is wrong; `internal` when the request was refused
   */
  async call<Name extends keyof QueueOperations>(
    operation: Name,
    body: QueueOperations[Name]['request'],
  ): Promise<QueueOperations[Name]['response']> {
    const { status, body: text } = await this.#send(operation, JSON.stringify(body));
    if (status === 200) return JSON.parse(text) as QueueOperations[Name]['response'];
    if (RETRYABLE.has(status)) {
      throw new FathomError(
        'control_plane.unavailable',
        `the global PocketBase cannot keep the queue: ${withRemedy(reasonOf(text))}`,
      );
    }
    if (status === 404) {
      throw new FathomError(
        'config.invalid',
        `what listens at ${this.#headers['host']} knows no queue for this JWT_SECRET: use the daemon's own settings (--env-file, --data-dir)`,
      );
    }
    throw new FathomError(
      'internal',
      `the queue's '${operation}' was refused with ${status}: ${reasonOf(text)}`,
    );
  }

  /** Closes the idle connections. Later calls still work and close their connection. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }

  async #send(operation: string, text: string): Promise<HttpAnswer> {
    const release = await this.#acquireTurn();
    const connection = this.#findIdle() ?? new HttpConnection(this.#target);
    this.#connections.add(connection);
    try {
      // A claim that the hook reads later than this would be for a worker that no longer waits.
      const headers = { ...this.#headers, [UNTIL_HEADER]: String(Date.now() + this.#timeoutMs) };
      return await connection.send(`/api/fathom/queue/${operation}`, headers, text);
    } catch (error) {
      throw new FathomError(
        'control_plane.unavailable',
        `the global PocketBase does not answer the queue: ${messageOf(error)}`,
        { cause: error },
      );
    } finally {
      // An open connection would keep the process running.
      if (this.#isClosed) connection.close();
      release();
    }
  }

  /** Waits for a connection, in the order of the calls. */
  async #acquireTurn(): Promise<() => void> {
    const isFull = this.#turns.held >= MAX_CONNECTIONS;
    const release = await this.#turns.acquire(isFull ? AbortSignal.timeout(this.#timeoutMs) : this.#never);
    if (release) return release;
    throw new FathomError(
      'control_plane.unavailable',
      `the global PocketBase does not keep up with the queue: ${MAX_CONNECTIONS} requests are waiting; try again in a moment`,
    );
  }

  #findIdle(): HttpConnection | null {
    for (const connection of this.#connections) {
      if (connection.isIdle) return connection;
      if (connection.isClosed) this.#connections.delete(connection);
    }
    return null;
  }
}

/** Whether the control plane refused the request; a retry would be useless. */
export function isRefused(error: unknown): boolean {
  return error instanceof FathomError && error.code === 'internal';
}

/** Returns the message of the hook; see `pb_hooks/global/queue/route.js`. */
function reasonOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message?.replace(/\.$/, '') ?? text;
  } catch {
    return text.slice(0, 300);
  }
}

function withRemedy(reason: string): string {
  if (/locked/.test(reason)) return `${reason} by another program; end what 'fuser -v' finds on its data.db`;
  return /full/.test(reason)
    ? `${reason}; free some space ('fathomd databases usage' shows the largest databases), then try again`
    : `${reason}; 'fathomd databases list' says more`;
}
