import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Endpoint, Resource } from '../../shared/api/contract/endpoint.ts';
import { work } from '../../shared/api/work/endpoints.ts';
import { requireUserId } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';
import { Gateway, type GatewayDeps, type GatewayRequest } from './gateway.ts';

export type WorkRoutesDeps = GatewayDeps;

/** Headers of the database that clients get. */
const PASSED_ON = ['etag', 'location'] as const;

/** Registers the operations of work items. The own database of the caller answers them at the same paths. */
export function workRoutes(app: Api, deps: WorkRoutesDeps): void {
  const gateway = new Gateway(deps);
  app.addHook('onClose', (_app, done) => {
    gateway[Symbol.dispose]();
    done();
  });
  for (const endpoint of Object.values<Endpoint>(work satisfies Resource)) forward(app, endpoint, gateway);
}

function forward(app: Api, endpoint: Endpoint, gateway: Gateway): void {
  const { method, path, query, body } = endpoint;
  const [schema] = Object.values(endpoint.responses).map((response) => response.schema);
  serve(app, endpoint, async (request: FastifyRequest, reply: FastifyReply) => {
    const left = new AbortController();
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) left.abort();
    });
    const answer = await gateway.send({
      userId: requireUserId(request),
      method,
      path: fillIn(path, request.params as Record<string, string>),
      query: (query ? request.query : {}) as GatewayRequest['query'],
      body: body ? (request.body ?? undefined) : undefined,
      requestId: request.id,
      ifMatch: request.headers['if-match'],
      schema,
      left: left.signal,
    });
    for (const name of PASSED_ON) {
      const value = answer.headers[name];
      if (value !== undefined) void reply.header(name, value);
    }
    if (answer.body === undefined) return reply.send();
    // The answer was compared with the schema.
    return reply.type('application/json').serializer(JSON.stringify).send(answer.body);
  });
}

function fillIn(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}
