import { randomUUID } from 'node:crypto';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { type FastifyBaseLogger, type FastifyContextConfig, fastify, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { FathomError } from '../../shared/errors.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import type { Logger } from '../base/log/log.ts';
import type { Activity } from '../metrics/activity.ts';
import type { Api } from './api.ts';
import { readBodies } from './body.ts';
import { authorise, identify, type Transport } from './caller.ts';
import { type LimitDeps, limitRequests } from './limits.ts';
import { refuseConnection, refuseExpectation, sendError, sendProblem, toFathomError } from './problem.ts';
import { RouteTable } from './route-table.ts';

/** Every request body of the API is small; files go to the user's own PocketBase. */
const BODY_LIMIT_BYTES = 64 * 1024;

const REQUEST_TIMEOUT_MS = 60_000;

const CORS = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  /** What a script may read of an answer beside its body. */
  exposedHeaders: [
    'Allow',
    'Retry-After',
    'WWW-Authenticate',
    'X-Request-Id',
    'X-RateLimit-Limit',
    'X-RateLimit-Remaining',
    'X-RateLimit-Reset',
  ],
  /** Seconds; the longest that Chromium keeps a preflight. */
  maxAge: 7200,
};

/** What the server itself needs, whatever it serves. */
export interface ServerDeps extends LimitDeps {
  log: Logger;
  identities: Identities;
  activity: Activity;
  /** Null when the daemon is ready, else what it waits for. */
  waitingFor: () => string | null;
}

/**
 * The HTTP API for one transport: TCP, where callers prove who they are, or the local socket, where they need not.
 *
 * @param register adds the routes
 */
export async function createApi(
  deps: ServerDeps,
  transport: Transport,
  register: (api: Api) => void,
): Promise<Api> {
  const loggerInstance: FastifyBaseLogger = deps.log;
  const app: Api = fastify({
    loggerInstance,
    // Made for each request, so that it has the log level of now.
    childLoggerFactory: (logger, bindings, options) => logger.child({ ...bindings, transport }, options),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    genReqId: () => randomUUID(),
    // Malformed URLs would otherwise be answered in a form of their own.
    frameworkErrors: (error, request, reply) => {
      // Such a request was not decorated.
      request.caller = null;
      void sendProblem(toFathomError(error), request, reply);
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: true,
    // Whatever else is offered, like HTTP/2 (h2c) by Java's client, the request is answered as it is.
    http: { shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket' },
    // Whoever sends slower than that is not waited for: a request has to have arrived, an answer may take longer.
    requestTimeout: REQUEST_TIMEOUT_MS,
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => {
    const problem = toFathomError(error);
    if (problem.status >= 500) request.log.error({ err: error, reqId: request.id }, problem.message);
    return sendError(problem, request, reply);
  });
  const routes = new RouteTable();
  app.setNotFoundHandler((request, reply) => routes.answer(request, reply));
  app.server.on('checkExpectation', refuseExpectation);
  readBodies(app);

  await app.register(helmet);
  await app.register(cors, {
    delegator: ({ headers }, done) => {
      const { corsOrigins } = deps.settings;
      done(null, {
        ...CORS,
        // With no origin allowed there is no CORS at all, not even an answer to a preflight.
        origin: corsOrigins.length > 0 && [...corsOrigins],
        preflight: headers.origin !== undefined && headers['access-control-request-method'] !== undefined,
      });
    },
  });
  app.addHook('onRoute', ({ method, url, config, schema }) => {
    // Nothing is open because somebody forgot to close it.
    if (!config?.permission)
      throw new Error(`${String(method)} ${url} names no permission; see permissions.ts`);
    // Nor does it stay out of the document.
    if (config.operationId === undefined && !schema?.hide)
      throw new Error(`${String(method)} ${url} is not declared; see shared/api`);
    // Nor is anything changed unseen.
    if (config.audit === undefined && hasToBeNamed(method, config))
      throw new Error(`${String(method)} ${url} does not say what the audit log calls it; see caller.ts`);
    routes.add(method, url, config.permission);
  });
  app.decorateRequest('caller', null);
  await limitRequests(app, deps, transport);
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    const waitingFor = deps.waitingFor();
    if (waitingFor !== null && !request.routeOptions.config.whileStarting) {
      throw new FathomError('daemon.starting', `the daemon is starting: it waits for ${waitingFor}`);
    }
    // Before its body is looked at.
    if (request.is404) return routes.answer(request, reply);
    request.caller = await identify(request.headers, { ...deps, transport });
    authorise(request, deps.hookToken);
  });

  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? null;
    deps.activity.noteRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  register(app);
  return app;
}

/** Whether a route has to say what the audit log calls it. Hooks of the global PocketBase tell what was done elsewhere. */
export function hasToBeNamed(
  methods: string | readonly string[],
  { permission }: FastifyContextConfig,
): boolean {
  return permission !== 'hook' && [methods].flat().some((method) => !READING.has(method));
}

const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
