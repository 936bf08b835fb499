import type { z } from 'zod';
import type { Endpoint } from '../api/contract/endpoint.ts';
import type { Page } from '../api/contract/page.ts';
import type { RESOURCES } from '../api/resources.ts';
import { FathomError } from '../errors.ts';
import { OPERATIONS, type Operation } from './operations.ts';
import type { RequestOptions, Transport } from './transport.ts';

export type CallOptions = Pick<RequestOptions, 'signal' | 'timeoutMs'>;

/** One string for each `{parameter}` of a path. */
type PathArguments<P extends string> = P extends `${string}{${string}}${infer Rest}`
  ? [string, ...PathArguments<Rest>]
  : [];

type QueryValue<T> = T extends 'true' | 'false' ? boolean : T;

/** What a caller gives: numbers and booleans, although all of a query is text. */
type QueryOf<S extends z.ZodType> = {
  [K in keyof z.input<S>]: QueryValue<z.output<S>[K & keyof z.output<S>]> | undefined;
};

type InputArguments<E> = E extends { body: infer B extends z.ZodType }
  ? undefined extends z.input<B>
    ? [body?: z.input<B>]
    : [body: z.input<B>]
  : E extends { query: infer Q extends z.ZodType }
    ? Partial<QueryOf<Q>> extends QueryOf<Q>
      ? [query?: QueryOf<Q>]
      : [query: QueryOf<Q>]
    : [];

type ResultOf<E extends Endpoint> = {
  [S in keyof E['responses']]: E['responses'][S] extends { stream: true }
    ? AsyncIterable<Uint8Array>
    : E['responses'][S] extends { schema: infer R extends z.ZodType }
      ? z.output<R>
      : void;
}[keyof E['responses']];

type ClientMethod<E extends Endpoint> = (
  ...args: [...PathArguments<E['path']>, ...InputArguments<E>, options?: CallOptions]
) => Promise<ResultOf<E>>;

/** A paged `list` has `all` beside it, which reads every page. */
type AllPages<R> = R extends { list: infer L extends Endpoint & { query: z.ZodType } }
  ? ResultOf<L> extends Page<infer Item>
    ? { all(query?: Omit<QueryOf<L['query']>, 'page' | 'per_page'>, options?: CallOptions): Promise<Item[]> }
    : unknown
  : unknown;

type ClientResource<R> = {
  readonly [M in keyof R]: R[M] extends Endpoint ? ClientMethod<R[M]> : never;
} & AllPages<R>;

/**
 * The HTTP API as methods, derived from the declarations in `shared/api`: `client.databases.records(name, collection, { page: 2 })`
 * takes the parameters of the path, then the query or the body, then options. Errors are those of `HttpClient.request`.
 */
export type FathomClient = { readonly [R in keyof typeof RESOURCES]: ClientResource<(typeof RESOURCES)[R]> };

/** The most items that the API puts on one page. */
const MAX_PER_PAGE = 500;

type Call = (...args: unknown[]) => Promise<unknown>;

/** Builds the methods of a client that sends its requests over `http`. */
export function methodsOver(http: Transport): FathomClient {
  const resources = Object.entries(OPERATIONS).map(([name, operations]) => {
    const methods: Record<string, Call> = {};
    for (const [method, operation] of Object.entries(operations)) {
      methods[method] = (...args) => call(http, operation, args);
      if (method === 'list' && operation.isPaged)
        methods['all'] = (query, settings) => readAllPages(http, operation, query, settings);
    }
    return [name, methods];
  });
  return Object.fromEntries(resources) as FathomClient;
}

async function call(http: Transport, operation: Operation, args: readonly unknown[]): Promise<unknown> {
  const { method, path, sends, timeoutMs, resultStatuses, mediaType, isStream } = operation;
  const values = [...args];
  const filled = path.replace(/\{\w+\}/g, () => pathSegment(String(values.shift())));
  const input = sends === undefined ? undefined : values.shift();
  const [options] = values as [CallOptions?];
  const request = {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...options,
    ...(sends === 'query' ? { query: input as RequestOptions['query'] } : { body: input }),
    resultStatuses,
    mediaType,
  };
  return isStream ? http.stream(method, filled, request) : http.request(method, filled, request);
}

/** Items that are added or removed meanwhile may be missing or occur twice. */
async function readAllPages(
  http: Transport,
  operation: Operation,
  query: unknown,
  options: unknown,
): Promise<unknown[]> {
  const items: unknown[] = [];
  for (let page = 1; ; page++) {
    const sent = { ...(query as object | undefined), page, per_page: MAX_PER_PAGE };
    const answer = (await call(http, operation, [sent, options])) as Page<unknown>;
    items.push(...answer.items);
    if (answer.items.length === 0 || items.length >= answer.total) return items;
  }
}

/** Encoding leaves `.` and `..` as they are, and a URL would then resolve them. */
function pathSegment(text: string): string {
  if (['', '.', '..'].includes(text))
    throw new FathomError('request.invalid', `'${text}' is not a valid name`);
  return encodeURIComponent(text);
}
