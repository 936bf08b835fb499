import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { FathomError } from '../../shared/errors.ts';
import { connectHost } from '../../shared/host.ts';
import { RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { Counts } from '../base/counts.ts';
import type { Logger } from '../base/log/log.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { APPLICATIONS } from '../supervisor/hook-entry.ts';
import { type InstanceAnswer, InstanceHttp, type InstanceRequest } from './instance-http.ts';
import { type AwakeDatabase, awakeDatabaseOf, type OwnDatabaseDeps } from './own-database.ts';
import { noAccount, OwnerTokens } from './owner-tokens.ts';
import { parse, refusalOf } from './refusals.ts';

const APPLICATION = 'work-items';
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
  readonly #http: InstanceHttp;
  readonly #tokens: OwnerTokens;
  readonly #open = new Counts();

  constructor(deps: GatewayDeps) {
    this.#deps = deps;
    this.#http = new InstanceHttp(deps.clock, MAX_OPEN);
    this.#tokens = new OwnerTokens(deps);
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
      return readAnswer(await this.#sendAsOwner(database, request), request, database.entry);
    } finally {
      end();
    }
  }

  async #sendAsOwner({ entry, port }: AwakeDatabase, request: GatewayRequest): Promise<InstanceAnswer> {
    const host = connectHost(entry.runner.spec.host);
    const attempt = async () => this.#http.send(host, port, outgoing(request, await this.#tokens.of(entry)));
    const answer = await attempt();
    if (answer.status !== 401) return answer;
    // The keys of the account have changed, as with a new password.
    this.#tokens.forget(entry);
    const second = await attempt();
    if (second.status === 401) throw noAccount(entry.row.name);
    return second;
  }
}

function outgoing(request: GatewayRequest, token: string): InstanceRequest {
  const { method, path, query, body, requestId, ifMatch, left } = request;
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const search = new URLSearchParams(given).toString();
  return {
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: {
      authorization: `Bearer ${token}`,
      'x-request-id': requestId,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: method === 'GET' ? left : null,
  };
}

function readAnswer(answer: InstanceAnswer, request: GatewayRequest, entry: CatalogEntry): GatewayResponse {
  const { status, headers } = answer;
  const { name } = entry.row;
  if (status >= 400) {
    if (status === 404 && !hasApplication(entry)) throw missingApplication(name);
    throw refusalOf({ name, path: request.path, answer });
  }
  const { schema } = request;
  if (schema === undefined) return { headers, body: undefined };
  const read = schema.safeParse(parse(answer.body));
  if (read.success) return { headers, body: read.data };
  // Static files of other applications answer for unknown paths.
  if (!hasApplication(entry)) throw missingApplication(name);
  throw new FathomError(
    'database.failed',
    `the answer of ${name} has another form than ${APPLICATION} of Fathom gives; ask an administrator`,
    { cause: read.error },
  );
}

function hasApplication({ instance }: CatalogEntry): boolean {
  const { hooksDir } = instance.served;
  return hooksDir !== null && existsSync(join(hooksDir, APPLICATIONS, APPLICATION));
}

function missingApplication(name: string): FathomError {
  return new FathomError(
    'application.missing',
    `${name} does not have the application ${APPLICATION}; ask an administrator to add it to FATHOM_APPS`,
  );
}
