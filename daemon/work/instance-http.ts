import { Agent, type IncomingMessage, request } from 'node:http';
import { FathomError } from '../../shared/errors.ts';
import { type Clock, runAfter } from '../base/time/clock.ts';

const MIB = 1024 * 1024;
/** The daemon parses what it reads, and has one thread for all requests. */
const MAX_ANSWER_BYTES = 2 * MIB;
const ANSWER_TIMEOUT_MS = 10_000;
/** A database with open connections cannot fall asleep. */
const KEEP_OPEN_MS = 4_000;
const MAX_OPEN_UNUSED = 2;

export interface InstanceRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string | null;
  /** Ends the request; null to let it go on. */
  signal: AbortSignal | null;
}

export interface InstanceAnswer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** Sends requests to instances, over connections that stay open for the next request. */
export class InstanceHttp implements Disposable {
  readonly #clock: Clock;
  readonly #agent: Agent;

  /** @param clock for deadlines @param maxSockets connections to one instance */
  constructor(clock: Clock, maxSockets: number) {
    this.#clock = clock;
    this.#agent = new Agent({
      keepAlive: true,
      timeout: KEEP_OPEN_MS,
      maxSockets,
      maxFreeSockets: MAX_OPEN_UNUSED,
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** @throws FathomError `database.failed`, `request.invalid` for an answer that is too large */
  send(host: string, port: number, outgoing: InstanceRequest): Promise<InstanceAnswer> {
    const isRead = outgoing.method === 'GET';
    return this.#sendOnce(host, port, outgoing).catch((error: unknown) => {
      // The instance closed the connection before the request arrived. A write may have been made.
      if (isRead && error instanceof StaleConnection) return this.#sendOnce(host, port, outgoing);
      throw error;
    });
  }

  #sendOnce(host: string, port: number, { method, path, headers, body, signal }: InstanceRequest) {
    return new Promise<InstanceAnswer>((resolve, reject) => {
      const call = request({ host, port, method, path, agent: this.#agent, ...(signal && { signal }) });
      const fail = (error: Error) => {
        call.destroy();
        reject(error);
      };
      const late = new AbortController();
      void runAfter(this.#clock, ANSWER_TIMEOUT_MS, late.signal, () =>
        fail(failed(`did not answer within ${ANSWER_TIMEOUT_MS / 1000} s`, method)),
      );
      // Without a reason, Node creates an exception with a stack.
      call.once('close', () => late.abort(null));
      call.on('error', (cause: NodeJS.ErrnoException) => {
        const isStale = call.reusedSocket && cause.code === 'ECONNRESET';
        fail(isStale ? new StaleConnection(method, cause) : failed('ended the connection', method, cause));
      });
      call.once('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) fail(tooLarge());
        });
        response.on('error', (cause) => fail(failed('ended the connection', method, cause)));
        response.once('end', () => {
          const { statusCode: status = 0, headers: received } = response;
          resolve({ status, headers: received, body: Buffer.concat(chunks) });
        });
      });
      for (const [name, value] of Object.entries(headers)) call.setHeader(name, value);
      call.end(body ?? undefined);
    });
  }
}

function failed(what: string, method: string, cause?: unknown): FathomError {
  const next =
    method === 'GET'
      ? 'try again'
      : 'the change may have been made, so read the data before you send it again';
  return new FathomError('database.failed', `the database ${what}; ${next}`, { cause });
}

/** A connection that was kept open, and that the instance closed at the same time. */
class StaleConnection extends FathomError {
  constructor(method: string, cause: unknown) {
    const { code, message } = failed('ended the connection', method);
    super(code, message, { cause });
  }
}

function tooLarge(): FathomError {
  const size = `the answer has more than ${MAX_ANSWER_BYTES / MIB} MiB`;
  return new FathomError('request.invalid', `${size}; ask for fewer items at once (per_page)`, {
    fields: [{ path: 'per_page', message: size }],
  });
}
