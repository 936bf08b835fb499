import type { FastifyRequest } from 'fastify';
import type { NewAuditEntry } from '../control-plane/audit-trail.ts';
import { originOf } from './database-access.ts';
import type { ApiDeps } from './deps.ts';
import type { Api } from './server.ts';

/** What a route is called in the log; those that change something and are not named here are called by method and path. */
const ACTIONS: Readonly<Record<string, string | null>> = {
  'POST /api/v1/auth/register': 'sign-up',
  'POST /api/v1/auth/login': 'sign-in',
  'POST /api/v1/auth/logout': 'sign-out',
  // Neither changes anything that others could ask about later.
  'POST /api/v1/auth/refresh': null,
  'POST /api/v1/ws-ticket': null,
  'POST /api/v1/users': 'user.create',
  'PATCH /api/v1/users/:id': 'user.update',
  'DELETE /api/v1/users/:id': 'user.delete',
  'POST /api/v1/databases/:name/start': 'database.start',
  'POST /api/v1/databases/:name/stop': 'database.stop',
  'POST /api/v1/databases/:name/restart': 'database.restart',
  'DELETE /api/v1/databases/:name': 'database.delete',
  'POST /api/users/:id/init_pb': 'database.start',
  'POST /api/users/:id/stop_pb': 'database.stop',
  'DELETE /api/v1/sessions': 'sessions.end',
  'DELETE /api/v1/sessions/:id': 'session.end',
  'POST /api/v1/api-keys': 'api-key.create',
  'DELETE /api/v1/api-keys/:id': 'api-key.revoke',
  'POST /api/v1/queue/tasks': 'task.create',
  'POST /api/v1/queue/tasks/:id/retry': 'task.retry',
  'POST /api/v1/queue/tasks/:id/cancel': 'task.cancel',
  'POST /api/v1/queue/dead/retry': 'tasks.retry',
  'POST /api/v1/queue/pause': 'queue.pause',
  'POST /api/v1/queue/resume': 'queue.resume',
  'POST /api/v1/secrets/rotate': 'secrets.rotate',
};

/** By strangers, too. */
const BY_ANYBODY: ReadonlySet<string> = new Set(['sign-up', 'sign-in']);

/** Of what was sent, what says what was done. Never anything secret. */
const TOLD = ['role', 'is_active', 'permissions', 'user_id', 'force_restart', 'type', 'name'];

/** Writes down what changes something, before it is answered. */
export function auditRequests(app: Api, { audit }: Pick<ApiDeps, 'audit'>): void {
  app.addHook('onSend', async (request, reply) => {
    const action = actionOf(request);
    if (action === null) return;
    // Strangers must not be able to fill the log: those who guess passwords are slowed down before, and what names no account
    // in the right form is no attempt at one.
    if (request.caller === null && !(BY_ANYBODY.has(action) && isAttempt(reply.statusCode, request.body)))
      return;
    if (reply.statusCode === 429) return;
    await audit.record(entryFor(request, action, reply.statusCode));
  });
}

/** Of strangers: one that was looked into. Before that, a token that is not valid ends a request, or a body without the right form. */
function isAttempt(status: number, body: unknown): boolean {
  return typeof asRecord(body)['email'] === 'string' && ![400, 413, 415].includes(status);
}

function actionOf({ method, routeOptions }: FastifyRequest): string | null {
  const { permission } = routeOptions.config;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return null;
  if (permission === undefined || permission === 'hook') return null;
  const route = `${method} ${routeOptions.url ?? ''}`;
  return Object.hasOwn(ACTIONS, route) ? (ACTIONS[route] ?? null) : route;
}

function entryFor(request: FastifyRequest, action: string, status: number): NewAuditEntry {
  const { caller } = request;
  const body = asRecord(request.body);
  const { name, id } = asRecord(request.params);
  const { user_id } = asRecord(request.query);
  const told = Object.fromEntries(TOLD.flatMap((key) => (body[key] === undefined ? [] : [[key, body[key]]])));
  return {
    actor_kind: caller?.kind ?? 'anonymous',
    actor: caller === null || caller.kind === 'local' ? '' : caller.userId,
    address: originOf(request).address,
    action,
    target: [name, id, user_id, body['email'], body['signature']].find((it) => typeof it === 'string') ?? '',
    outcome: status < 400 ? 'ok' : status === 401 || status === 403 ? 'refused' : 'failed',
    detail: JSON.stringify({ status, ...told }),
    request_id: request.id,
  };
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
