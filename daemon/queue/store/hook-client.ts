import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { QueueOperations } from '../../../shared/hooks/queue-operations.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { HOOK_TOKEN_HEADER } from '../../keys/hook-token.ts';
import { type HttpAnswer, HttpConnection } from './http-connection.ts';

export interface HookClientOptions {
  /** Of the global PocketBase. */
  url: string;
  hookToken: string;
  /** How long a turn is waited for, and then an answer. */
  patienceMs?: number;
}

/** PocketBase waits 10 s for a lock that another program has, and a write behind one that does waits as long again. */
const PATIENCE_MS = 20_000;
/** What is done at the last moment is still heard of: an answer is waited for longer than anything is claimed for it. */
const ON_ITS_WAY_MS = 1_000;
/** PocketBase writes one after the other anyway; those that it holds up must leave room for those that read. */
const MAX_CONNECTIONS = 64;
/** Milliseconds since 1970, by the clock of the host that both are on. */
const UNTIL_HEADER = 'x-fathom-until';
/** Answers after which asking again makes sense: too slow, too many requests, nothing can be stored. */
const NOT_NOW: ReadonlySet<number> = new Set([408, 429, 503]);
/** An address that names it comes out of `URL` without it. */
const HTTP_PORT = 80;

/** The queue's operations at the global PocketBase (`pb_hooks/global/lib/queue*.js`), over connections that are kept. */
export class HookClient {
  readonly #target: { host: string; port: number; timeoutMs: number };
  readonly #headers: Readonly<Record<string, string>>;
  readonly #patienceMs: number;
  readonly #connections = new Set<HttpConnection>();
  readonly #turns = new Semaphore(MAX_CONNECTIONS);
  readonly #never = new AbortController().signal;
  #closed = false;

  constructor({ url, hookToken, patienceMs = PATIENCE_MS }: HookClientOptions) {
    this.#patienceMs = patienceMs;
    const { host, hostname, port } = new URL(url);
    // A bracketed IPv6 address stands bare here.
    const address = hostname.replace(/^\[|\]$/g, '');
    this.#target = { host: address, port: Number(port || HTTP_PORT), timeoutMs: patienceMs + ON_ITS_WAY_MS };
    this.#headers = { host, 'content-type': 'application/json', [HOOK_TOKEN_HEADER]: hookToken };
  }

  /**
   * @throws FathomError `control_plane.unavailable` when nobody knows whether it was done, or nothing can be stored now;
   * `config.invalid` when it does not know who asks; `internal` when it was refused
   */
  async call<Name extends keyof QueueOperations>(
    operation: Name,
    body: QueueOperations[Name]['request'],
  ): Promise<QueueOperations[Name]['response']> {
    const { status, body: text } = await this.#send(operation, JSON.stringify(body));
    if (status === 200) return JSON.parse(text) as QueueOperations[Name]['response'];
    if (NOT_NOW.has(status)) {
      throw new FathomError(
        'control_plane.unavailable',
        `the global PocketBase cannot keep the queue: ${withAdvice(reasonOf(text))}`,
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

  /** What is asked afterwards is answered, but no connection is kept for it. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
  }

  async #send(operation: string, text: string): Promise<HttpAnswer> {
    const leave = await this.#turn();
    const connection = this.#free() ?? new HttpConnection(this.#target);
    this.#connections.add(connection);
    try {
      // What is read later than this, when it was held up, would claim a task that nobody runs.
      const headers = { ...this.#headers, [UNTIL_HEADER]: String(Date.now() + this.#patienceMs) };
      return await connection.send(`/api/fathom/queue/${operation}`, headers, text);
    } catch (error) {
      throw new FathomError(
        'control_plane.unavailable',
        `the global PocketBase does not answer the queue: ${messageOf(error)}`,
        { cause: error },
      );
    } finally {
      // It would hold up the end of the process.
      if (this.#closed) connection.close();
      leave();
    }
  }

  /** Whoever came first gets the next connection. */
  async #turn(): Promise<() => void> {
    const isFull = this.#turns.held >= MAX_CONNECTIONS;
    const leave = await this.#turns.acquire(isFull ? AbortSignal.timeout(this.#patienceMs) : this.#never);
    if (leave) return leave;
    throw new FathomError(
      'control_plane.unavailable',
      `the global PocketBase does not keep up with the queue: ${MAX_CONNECTIONS} requests wait for its answer already; try again in a moment`,
    );
  }

  #free(): HttpConnection | null {
    for (const connection of this.#connections) {
      if (connection.idle) return connection;
      if (connection.ended) this.#connections.delete(connection);
    }
    return null;
  }
}

/** The control plane is there, and will not take what was asked: asking again would be useless. */
export function isRefused(error: unknown): boolean {
  return error instanceof FathomError && error.code === 'internal';
}

/** What the hook says of it; see `pb_hooks/global/lib/queue-route.js`. */
function reasonOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message?.replace(/\.$/, '') ?? text;
  } catch {
    return text.slice(0, 300);
  }
}

function withAdvice(reason: string): string {
  return /locked/.test(reason)
    ? `${reason} by another program; end what 'fuser -v' finds on its data.db`
    : `${reason}; 'fathomd databases list' says more`;
}
