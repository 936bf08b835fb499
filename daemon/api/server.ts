import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { FathomError } from '../../shared/errors.ts';
import { auditRequests, hasToBeNamed } from './audit.ts';
import { readBodies } from './body.ts';
import { authorise, identify, type Transport } from './caller.ts';
import type { ApiDeps } from './deps.ts';
import { KnownRoutes } from './known-routes.ts';
import { limitRequests } from './limits.ts';
import { refuseConnection, refuseExpectation, sendError, sendProblem, toFathomError } from './problem.ts';
import { apiKeyRoutes } from './routes/api-keys.ts';
import { auditRoutes } from './routes/audit.ts';
import { authRoutes } from './routes/auth.ts';
import { browseRoutes } from './routes/browse.ts';
import { databaseRoutes } from './routes/databases.ts';
import { documentRoutes } from './routes/document.ts';
import { eventRoutes } from './routes/events.ts';
import { healthRoutes } from './routes/health.ts';
import { hookRoutes } from './routes/hooks.ts';
import { hostRoutes } from './routes/host.ts';
import { lifecycleRoutes } from './routes/lifecycle.ts';
import { migrationRoutes } from './routes/migrations.ts';
import { queueRoutes } from './routes/queue.ts';
import { scheduleRoutes } from './routes/queue-schedules.ts';
import { secretRoutes } from './routes/secrets.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { signInHookRoutes } from './routes/sign-in-hooks.ts';
import { statusRoutes } from './routes/status.ts';
import { userRoutes } from './routes/users.ts';

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

export type Api = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** The HTTP API for one transport: TCP, where callers prove who they are, or the local socket, where they need not. */
export async function createApi(deps: ApiDeps, transport: Transport): Promise<Api> {
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
  const routes = new KnownRoutes();
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
  auditRequests(app, deps);

  healthRoutes(app, deps);
  authRoutes(app, deps);
  statusRoutes(app, deps);
  hostRoutes(app, deps);
  userRoutes(app, deps);
  sessionRoutes(app, deps);
  apiKeyRoutes(app, deps);
  databaseRoutes(app, deps);
  browseRoutes(app, deps);
  eventRoutes(app, deps);
  lifecycleRoutes(app, deps);
  migrationRoutes(app, deps);
  queueRoutes(app, deps);
  scheduleRoutes(app, deps);
  auditRoutes(app, deps);
  secretRoutes(app, deps);
  hookRoutes(app, deps);
  signInHookRoutes(app, deps);
  documentRoutes(app, deps);
  return app;
}
