import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { FathomError, messageOf } from '../../../shared/errors.ts';

/** How to reach etcd. */
export interface EtcdAccess {
  /** URLs of its servers, without a path. */
  endpoints: readonly string[];
  /** In PEM. Null for a part that is not used. */
  tls: { ca: string | null; cert: string | null; key: string | null };
  credentials: { user: string; password: string } | null;
}

/** Of one attempt. All servers are tried within a lease of 15 s. */
const TIMEOUT_MS = 3_000;
/** Until another server is asked too. */
const NEXT_SERVER_MS = 1_000;
/** A stream without a message for this long is opened again: its connection may be gone. */
const IDLE_MS = 60_000;
/** How often the server of a stream is asked whether it still agrees with the others. */
const PROBE_MS = 2_000;
/** Any key that the user of etcd may read. */
const PROBED = { key: Buffer.from('/fathom/').toString('base64'), count_only: true };
const KEEP_ALIVE_MS = 5_000;

/** Codes of gRPC that etcd uses. */
export const NOT_FOUND = 5;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;
/** Another server may answer. */
const RETRIED: ReadonlySet<number> = new Set([4, UNAVAILABLE]);

const failureSchema = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  code: z.int(),
});
const streamSchema = z.union([
  z.object({ result: z.unknown() }),
  z.object({ error: z.object({ message: z.string().optional(), grpc_code: z.int().optional() }) }),
]);
const tokenSchema = z.object({ token: z.string() });

/** An answer of etcd that reports an error. */
export class EtcdError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Calls etcd's JSON API (`/v3/…`), which needs no client library. Tries the servers in turn, and stays with one that answers. */
export class EtcdGateway {
  readonly #access: EtcdAccess;
  readonly #agents: { http: HttpAgent; https: HttpsAgent };
  #current = 0;
  #token: string | null = null;

  constructor(access: EtcdAccess) {
    this.#access = access;
    const { ca, cert, key } = access.tls;
    const keepAlive = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
    this.#agents = {
      http: new HttpAgent(keepAlive),
      https: new HttpsAgent({
        ...keepAlive,
        ...(ca === null ? {} : { ca }),
        ...(cert === null ? {} : { cert }),
        ...(key === null ? {} : { key }),
      }),
    };
  }

  get endpoints(): readonly string[] {
    return this.#access.endpoints;
  }

  /** @throws EtcdError, FathomError `cluster.unavailable` when no server answers */
  async call<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    return this.#onOne(async (endpoint) => {
      const response = await this.#authorised(endpoint, path, body, AbortSignal.timeout(TIMEOUT_MS));
      return schema.parse(JSON.parse(await textOf(response)));
    });
  }

  /** As `call`, for what changes nothing: another server is asked before the one before has failed. */
  async read<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    return this.#onAny(async (endpoint, signal) => {
      const response = await this.#authorised(endpoint, path, body, signal);
      return schema.parse(JSON.parse(await textOf(response)));
    });
  }

  /** The first message of a stream, as `read`. */
  async first<T>(path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    return this.#onAny(async (endpoint, signal) => {
      const response = await this.#authorised(endpoint, path, body, signal);
      for await (const message of messagesOf(response, schema)) return message;
      throw new EtcdError(UNAVAILABLE, 'the stream ended without a message');
    });
  }

  /**
   * The messages of a stream, until it ends or the signal aborts. A server that is lost or has no majority sends none: then
   * the stream fails, and the next one is at another server.
   */
  async *stream<T>(path: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): AsyncGenerator<T> {
    let server = '';
    const response = await this.#onOne((endpoint) => {
      server = endpoint;
      return this.#authorised(endpoint, path, body, signal);
    });
    response.socket.setTimeout(IDLE_MS);
    const probe = setInterval(() => {
      this.callAt(server, '/v3/kv/range', PROBED).catch((error: unknown) => {
        if (this.endpoints[this.#current] === server)
          this.#current = (this.#current + 1) % this.endpoints.length;
        response.destroy(new Error(`${server}: ${messageOf(error)}`));
      });
    }, PROBE_MS);
    try {
      yield* messagesOf(response, schema);
    } finally {
      clearInterval(probe);
    }
  }

  /** Calls one server, for its own state. @throws the error of the connection, EtcdError */
  async callAt(
    endpoint: string,
    path: string,
    body: object | null,
  ): Promise<{ text: string; date: string | null }> {
    const response = await this.#authorised(endpoint, path, body, AbortSignal.timeout(TIMEOUT_MS));
    return { text: await textOf(response), date: response.headers.date ?? null };
  }

  /** The next call signs in again. */
  forgetToken(): void {
    this.#token = null;
  }

  close(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  async #onOne<T>(work: (endpoint: string) => Promise<T>): Promise<T> {
    const problems: string[] = [];
    const { endpoints } = this.#access;
    for (let tried = 0; tried < endpoints.length; tried += 1) {
      const endpoint = endpoints[this.#current] ?? '';
      try {
        return await work(endpoint);
      } catch (error) {
        if (isFinal(error)) throw error;
        problems.push(`${endpoint}: ${messageOf(error)}`);
        this.#current = (this.#current + 1) % endpoints.length;
      }
    }
    throw unanswered(problems);
  }

  /**
   * Asks the servers in turn, the next one when the one before has failed or has not answered for a second: one that forwards
   * a request to a leader which was lost is silent for longer.
   */
  async #onAny<T>(work: (endpoint: string, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { endpoints } = this.#access;
    const first = this.#current;
    const answered = new AbortController();
    const problems: string[] = [];
    const ask = async (server: number): Promise<T> => {
      answered.signal.throwIfAborted();
      const endpoint = endpoints[server] ?? '';
      try {
        const signal = AbortSignal.any([answered.signal, AbortSignal.timeout(TIMEOUT_MS)]);
        const answer = await work(endpoint, signal);
        this.#current = server;
        answered.abort();
        return answer;
      } catch (error) {
        problems.push(`${endpoint}: ${messageOf(error)}`);
        throw error;
      }
    };
    let mayAsk: Promise<unknown> = Promise.resolve();
    const attempts = endpoints.map((_, turn) => {
      const attempt = mayAsk.then(() => ask((first + turn) % endpoints.length));
      const silence = mayAsk.then(() => sleep(NEXT_SERVER_MS, undefined, { signal: answered.signal }));
      mayAsk = Promise.race([attempt, silence]).catch(() => {});
      return attempt;
    });
    try {
      return await Promise.any(attempts);
    } catch (error) {
      const { errors } = error as AggregateError;
      throw errors.find(isFinal) ?? unanswered(problems);
    } finally {
      answered.abort();
    }
  }

  /** Sends a request, and signs in first where etcd requires it. */
  async #authorised(
    endpoint: string,
    path: string,
    body: object | null,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { credentials } = this.#access;
    if (credentials === null) return this.#send(endpoint, path, body, signal);
    const isNew = this.#token === null;
    this.#token ??= await this.#signIn(endpoint, credentials, signal);
    try {
      return await this.#send(endpoint, path, body, signal);
    } catch (error) {
      // Tokens of etcd end after 5 minutes without use, and with a restart of the server.
      if (isNew || !(error instanceof EtcdError) || error.code !== UNAUTHENTICATED) throw error;
      this.#token = await this.#signIn(endpoint, credentials, signal);
      return this.#send(endpoint, path, body, signal);
    }
  }

  async #signIn(
    endpoint: string,
    { user, password }: { user: string; password: string },
    signal: AbortSignal,
  ): Promise<string> {
    this.#token = null;
    const response = await this.#send(endpoint, '/v3/auth/authenticate', { name: user, password }, signal);
    return tokenSchema.parse(JSON.parse(await textOf(response))).token;
  }

  /** Resolves with the head of a successful response. */
  #send(endpoint: string, path: string, body: object | null, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(path, endpoint);
    const isEncrypted = url.protocol === 'https:';
    const send = isEncrypted ? requestHttps : requestHttp;
    const agent = isEncrypted ? this.#agents.https : this.#agents.http;
    const authorization = this.#token === null ? {} : { authorization: this.#token };
    const headers = body === null ? authorization : { ...authorization, 'content-type': 'application/json' };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = send(url, { method: body === null ? 'GET' : 'POST', agent, signal, headers });
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('no message in time')));
    request.on('error', reject);
    request.on('response', (response) => {
      if (response.statusCode === 200) resolve(response);
      else failureOf(response).then(reject, reject);
    });
    request.end(body === null ? undefined : JSON.stringify(body));
    return promise;
  }
}

/** Whether another server would say the same. */
const isFinal = (error: unknown) => error instanceof EtcdError && !RETRIED.has(error.code);

const unanswered = (problems: readonly string[]) =>
  new FathomError('cluster.unavailable', `etcd does not answer: ${problems.join('; ')}`);

async function failureOf(response: IncomingMessage): Promise<Error> {
  const text = await textOf(response);
  try {
    const { code, message, error } = failureSchema.parse(JSON.parse(text));
    return new EtcdError(code, message ?? error ?? `code ${code}`);
  } catch {
    // Not etcd, or a proxy in front of it.
    return new Error(`status ${response.statusCode}: ${text.slice(0, 100)}`);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Messages are separated by line breaks. */
async function* messagesOf<T>(response: IncomingMessage, schema: z.ZodType<T>): AsyncGenerator<T> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = streamSchema.parse(JSON.parse(line));
      if ('error' in message)
        throw new EtcdError(
          message.error.grpc_code ?? UNAVAILABLE,
          message.error.message ?? 'the stream failed',
        );
      yield schema.parse(message.result);
    }
  }
}
