import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Endpoint } from '../../shared/api/endpoint.ts';
import type { Api } from './api.ts';

type Output<S> = S extends z.ZodType ? z.output<S> : undefined;
type Part<E, K extends string> = Output<E extends Readonly<Record<K, infer S>> ? S : undefined>;

/** A request whose parts have been checked by the schemas of its endpoint. */
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
 * Registers an endpoint. The handler returns the body of the answer, if there is one; the status is the
 * lowest one that the endpoint declares unless the handler sets another.
 */
export function serve<E extends Endpoint>(app: Api, endpoint: E, handler: Handler<E>): void {
  const { method, path, permission, audit, params, query, body, responses, errorForm, whileStarting } =
    endpoint;
  const standard = Math.min(...Object.keys(responses).map(Number));
  const checked = Object.entries(responses).flatMap(([status, { schema, mediaType }]) =>
    schema === undefined || mediaType !== undefined ? [] : [[status, schema]],
  );
  app.route({
    method,
    url: path.replace(/\{(\w+)\}/g, ':$1'),
    config: {
      operationId: endpoint.operationId,
      permission,
      ...(audit === undefined ? {} : { audit }),
      ...(errorForm === undefined ? {} : { errorForm }),
      ...(whileStarting === undefined ? {} : { whileStarting }),
    },
    schema: {
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && { body }),
      response: Object.fromEntries(checked) as Record<number, z.ZodType>,
    },
    handler: async (request, reply) => {
      void reply.code(standard);
      return handler(request as EndpointRequest<E>, reply);
    },
  });
}
