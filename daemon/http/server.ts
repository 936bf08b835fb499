import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import { type FastifyBaseLogger, type FastifyContextConfig, fastify, LogController } from 'fastify';
import { validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { FathomError } from '../../shared/errors.ts';
import type { Identities } from '../accounts/sessions/identities.ts';
import type { SignInGate } from '../accounts/sign-in/sign-in-gate.ts';
import type { Logger } from '../base/log/log.ts';
import type { Activity } from '../metrics/activity.ts';
import { acceptJsonBodies, readRefusedBodies } from './body.ts';
import { authorise, identifyCaller, type Transport } from './caller.ts';
import { forwardRequests } from './forwarding/forward-requests.ts';
import { passOf, passProblemOf, receivePass } from './forwarding/forwarded.ts';
import type { Forwarding } from './forwarding/forwarding.ts';
import { countChange, type LimitDeps, limitRequests } from './limits.ts';
import {
  logLevelOf,
  refuseConnection,
  refuseExpectation,
  sendError,
  sendProblem,
  toFathomError,
} from './problem.ts';
import type { ProxiesSeen } from './proxies-seen.ts';
import { requestIds } from './request-id.ts';
import { RouteTable } from './route-table.ts';
import { serializeResponses } from './serializer.ts';
import type { Api } from './serve.ts';

/** Bodies of the API are small; files are uploaded to the user's own PocketBase. */
const BODY_LIMIT_BYTES = 64 * 1024;

/** Limit the time until a request has arrived, so that slow clients hold no connections. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often Node looks for requests that are too slow. */
const TIMEOUT_CHECK_MS = 5_000;

const CORS = {
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  /** Headers that scripts in a browser may read. */
  exposedHeaders: [
    'Allow',
    'ETag',
    'Location',
    'Retry-After',
    'WWW-Authenticate',
    'X-Request-Id',
    'X-RateLimit-Limit',
    'X-RateLimit-Remaining',
    'X-RateLimit-Reset',
  ],
  /** Seconds; Chromium caches a preflight no longer than this. */
  maxAge: 7200,
};

/** What the server needs, apart from its routes. */
export interface ServerDeps extends LimitDeps {
  log: Logger;
  identities: Identities;
  activity: Activity;
  proxiesSeen: ProxiesSeen;
  /** Null for a single server. */
  forwarding: Forwarding | null;
  /** What the daemon waits for; null when it is ready. */
  waitingFor: () => string | null;
  /** Whether accounts can sign in before the daemon is ready. */
  signInGate: SignInGate;
}

/**
 * Creates the HTTP API for one transport: TCP, where callers authenticate, or the local socket, where they do not.
 *
 * @param register adds the routes
 */
export async function createApi(
  deps: ServerDeps,
  transport: Transport,
  register: (api: Api) => void,
): Promise<Api> {
  const loggerInstance: FastifyBaseLogger = deps.log;
  const { forwarding } = deps;
  const newId = requestIds(deps.trustedProxies);
  const app: Api = fastify({
    loggerInstance,
    // Created for each request, so that a change of the log level takes effect.
    childLoggerFactory: (logger, bindings, options) => logger.child({ ...bindings, transport }, options),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    genReqId: (request) =>
      (forwarding && receivePass(request, forwarding.passKey, forwarding.clock.now()))?.request_id ??
      newId(request),
    // For malformed URLs; the default response of Fastify has another form.
    frameworkErrors: (error, request, reply) => {
      // Fastify did not decorate this request.
      request.caller = null;
      void sendProblem(toFathomError(error), request, reply);
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: true,
    // Other upgrades are ignored, for example HTTP/2 (h2c), which Java's client offers.
    http: {
      // The response of Node has no body. The first hook requires the header.
      requireHostHeader: false,
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    },
    // The response may take longer.
    requestTimeout: REQUEST_TIMEOUT_MS,
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<ZodTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializeResponses);
  app.setErrorHandler((error, request, reply) => {
    const problem = toFathomError(error);
    const level = logLevelOf(problem);
    if (level === 'error') request.log.error({ err: error, reqId: request.id }, problem.message);
    if (level === 'info') request.log.info({ reqId: request.id }, problem.message);
    return sendError(problem, request, reply);
  });
  const routes = new RouteTable();
  app.setNotFoundHandler((request, reply) => routes.answer(request, reply));
  app.server.on('checkExpectation', refuseExpectation);
  acceptJsonBodies(app);
  readRefusedBodies(app);

  await app.register(helmet);
  await app.register(cors, {
    delegator: ({ headers }, done) => {
      const { corsOrigins } = deps.settings;
      done(null, {
        ...CORS,
        // Without an allowed origin CORS is off, also for preflights.
        origin: corsOrigins.length > 0 && [...corsOrigins],
        preflight: headers.origin !== undefined && headers['access-control-request-method'] !== undefined,
      });
    },
  });
  app.addHook('onRoute', ({ method, url, config, schema }) => {
    // A route must declare its permission, its endpoint and its name in the audit log; it cannot forget one.
    if (!config?.permission)
      throw new Error(`${String(method)} ${url} declares no permission; see permissions.ts`);
    if (config.operationId === undefined && !schema?.hide)
      throw new Error(`${String(method)} ${url} is not declared in shared/api`);
    if (config.audit === undefined && needsAuditName(method, config))
      throw new Error(`${String(method)} ${url} declares no name for the audit log; see caller.ts`);
    routes.add(method, url, config.permission);
  });
  app.decorateRequest('caller', null);
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    const isMissing = raw.httpVersion === '1.1' && raw.headers.host === undefined;
    done(isMissing ? new FathomError('request.invalid', 'the header Host is missing; send it') : undefined);
  });
  if (transport === 'tcp') {
    app.addHook('onRequest', ({ raw }, _reply, done) => {
      deps.proxiesSeen.note(raw.socket.remoteAddress ?? '', raw.headers);
      done();
    });
  }
  await limitRequests(app, deps, transport);
  app.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    const waitingFor = deps.waitingFor();
    const { whileStarting } = request.routeOptions.config;
    const isOpen = whileStarting === true || (whileStarting === 'accounts' && deps.signInGate.isOpen);
    if (waitingFor !== null && !isOpen) {
      throw new FathomError('daemon.starting', `the daemon is starting: it waits for ${waitingFor}`);
    }
    // Before the body is read.
    if (request.is404) return routes.answer(request, reply);
    const refused = passProblemOf(request.raw);
    if (refused !== null)
      throw new FathomError(
        // The session of the client is good.
        refused.isSigned ? 'cluster.unavailable' : 'auth.required',
        `the pass of another node is refused: ${refused.problem}`,
      );
    const isLocal = (passOf(request.raw)?.local ?? null) !== null;
    request.caller = await identifyCaller(request.headers, {
      ...deps,
      transport: isLocal ? 'socket' : transport,
    });
    countChange(request, deps);
    authorise(request, deps);
  });

  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? null;
    deps.activity.noteRequest(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    done();
  });
  if (forwarding !== null) forwardRequests(app, { ...deps, forwarding });
  register(app);
  return app;
}

/** Whether a route must declare a name for the audit log: all that change something, except those of hooks. */
function needsAuditName(methods: string | readonly string[], { permission }: FastifyContextConfig): boolean {
  return permission !== 'hook' && [methods].flat().some((method) => !SAFE_METHODS.has(method));
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
