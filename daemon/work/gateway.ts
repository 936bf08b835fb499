import type { z } from 'zod';
import { RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { Counts } from '../base/counts.ts';
import type { Logger } from '../base/log/log.ts';
import { readAnswer } from './answers.ts';
import type { InstanceAnswer, InstanceRequest } from './instance-http.ts';
import { awakeDatabaseOf, type OwnDatabaseDeps } from './own-database.ts';
import { OwnerHttp } from './owner-http.ts';

/** Of one user. */
const MAX_OPEN = 8;
const RETRY_MS = 1_000;

export interface GatewayDeps extends OwnDatabaseDeps {
  log: Logger;
}

/** A request of a user to the own database. */
export interface GatewayRequest {
  userId: string;
  method: string;
  /** Without the query. */
  path: string;
  query: Readonly<Record<string, string | number | boolean | undefined>>;
  body: unknown;
  requestId: string;
  ifMatch: string | undefined;
  /** Of the response; undefined for one without a body. */
  schema: z.ZodType | undefined;
  /** Aborts when the client has left. A read ends then; a write goes on. */
  left: AbortSignal;
}

export interface GatewayResponse {
  headers: InstanceAnswer['headers'];
  body: unknown;
}

/** Sends requests to the databases of users, with the rights of the owner. It reaches no other database than the own one. */
export class Gateway implements Disposable {
  readonly #deps: GatewayDeps;
  readonly #http: OwnerHttp;
  readonly #open = new Counts();

  constructor(deps: GatewayDeps) {
    this.#deps = deps;
    this.#http = new OwnerHttp(deps, MAX_OPEN);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /**
   * @throws FathomError the refusal of the database, and the errors of `awakeDatabaseOf`; `database.failed`,
   * `application.missing`
   */
  async send(request: GatewayRequest): Promise<GatewayResponse> {
    const end = this.#open.take(request.userId, MAX_OPEN);
    if (end === null) throw new RateLimitedError('too many requests to your database are open', RETRY_MS);
    try {
      const database = await awakeDatabaseOf(request.userId, this.#deps);
      const answer = await this.#http.send(database, outgoing(request));
      return { headers: answer.headers, body: readAnswer(answer, request, database.entry) };
    } finally {
      end();
    }
  }
}

function outgoing(request: GatewayRequest): InstanceRequest {
  const { method, path, query, body, requestId, ifMatch, left } = request;
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const search = new URLSearchParams(given).toString();
  return {
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: {
      'x-request-id': requestId,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: method === 'GET' ? left : null,
  };
}
