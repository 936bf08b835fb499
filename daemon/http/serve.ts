import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { answererOf, type Endpoint } from '../../shared/api/contract/endpoint.ts';
import type { Page, PageRequest } from '../../shared/api/contract/page.ts';

/** The server that routes are added to. */
export type Api = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Strangers can send these bodies. They hold little more than an e-mail address and a password, or one token. */
const PUBLIC_BODY_LIMIT_BYTES = 4 * 1024;

type Output<S> = S extends z.ZodType ? z.output<S> : undefined;
type Part<E, K extends string> = Output<E extends Readonly<Record<K, infer S>> ? S : undefined>;

/** A request that matches the schemas of its endpoint. */
type EndpointRequest<E extends Endpoint> = FastifyRequest & {
  params: Part<E, 'params'>;
  query: Part<E, 'query'>;
  body: Part<E, 'body'>;
};

type Input<C> = C extends { readonly schema: infer S extends z.ZodType } ? z.input<S> : void;
type Result<E extends Endpoint> = Input<E['responses'][keyof E['responses']]> | FastifyReply;

type Handler<E extends Endpoint> = (
  request: EndpointRequest<E>,
  reply: FastifyReply,
) => Result<E> | Promise<Result<E>>;

/**
 * Registers an endpoint. The handler returns the response body, if the endpoint has one. The status is the lowest one that
 * the endpoint declares, unless the handler sets another.
 */
export function serve<E extends Endpoint>(app: Api, endpoint: E, handler: Handler<E>): void {
  const { method, path, permission, audit, params, query, body, responses, errorForm, whileStarting } =
    endpoint;
  const { timeoutMs } = endpoint;
  const bodyLimit =
    endpoint.bodyLimitBytes ?? (permission === 'public' ? PUBLIC_BODY_LIMIT_BYTES : undefined);
  const defaultStatus = Math.min(...Object.keys(responses).map(Number));
  const schemas = Object.entries(responses).flatMap(([status, { schema, mediaType }]) =>
    schema === undefined || mediaType !== undefined ? [] : [[status, schema]],
  );
  const isStream = Object.values(responses).some(({ stream }) => stream);
  app.route({
    method,
    // HEAD would read all of it, to send nothing.
    ...(isStream && { exposeHeadRoute: false }),
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    url: path.replace(/\{(\w+)\}/g, ':$1'),
    config: {
      operationId: endpoint.operationId,
      permission,
      answeredBy: answererOf(endpoint),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(audit === undefined ? {} : { audit }),
      ...(errorForm === undefined ? {} : { errorForm }),
      ...(whileStarting === undefined ? {} : { whileStarting }),
    },
    schema: {
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
      response: Object.fromEntries(schemas) as Record<number, z.ZodType>,
    },
    handler: async (request, reply) => {
      void reply.code(defaultStatus);
      return handler(request as EndpointRequest<E>, reply);
    },
  });
}

/** Returns one page of a complete list. */
export function slicePage<T>(list: readonly T[], { page, per_page }: PageRequest): Page<T> {
  return { items: list.slice((page - 1) * per_page, page * per_page), page, per_page, total: list.length };
}
