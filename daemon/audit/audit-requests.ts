import type { FastifyRequest } from 'fastify';
import { originOf } from '../http/client-address.ts';
import type { Api } from '../http/serve.ts';
import type { AuditTrail, NewAuditEntry } from './audit-trail.ts';

/** By strangers, too. */
const BY_ANYBODY: ReadonlySet<string> = new Set(['sign-up', 'sign-in']);

/** Of what was sent, what says what was done. Never anything secret. */
const TOLD = ['role', 'is_active', 'permissions', 'user_id', 'force_restart', 'type', 'cron', 'name'];

export interface AuditRequestsDeps {
  audit: AuditTrail;
  trustedProxies: readonly string[];
}

/** Writes down what changes something, before it is answered. */
export function auditRequests(app: Api, deps: AuditRequestsDeps): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const { audit: action } = request.routeOptions.config;
    if (typeof action !== 'string') return;
    // Strangers must not be able to fill the log: those who guess passwords are slowed down before, and what names no account
    // in the right form is no attempt at one.
    if (request.caller === null && !(BY_ANYBODY.has(action) && isAttempt(reply.statusCode, request.body)))
      return;
    if (reply.statusCode === 429) return;
    const { address } = originOf(request, deps.trustedProxies);
    const answer = { action, status: reply.statusCode, payload };
    await deps.audit.record(entryFor(request, address, answer));
  });
}

/** Of strangers: one that was looked into. Before that, a token that is not valid ends a request, or a body without the right form. */
function isAttempt(status: number, body: unknown): boolean {
  if (status < 400) return true;
  return typeof asRecord(body)['email'] === 'string' && ![400, 413, 415].includes(status);
}

function entryFor(
  request: FastifyRequest,
  address: string,
  { action, status, payload }: { action: string; status: number; payload: unknown },
): NewAuditEntry {
  const { caller } = request;
  const body = asRecord(request.body);
  const { name, id } = asRecord(request.params);
  const { user_id } = asRecord(request.query);
  const facts = { ...asRecord(body['task']), ...body };
  const told = Object.fromEntries(
    TOLD.flatMap((key) => (facts[key] === undefined ? [] : [[key, facts[key]]])),
  );
  const named = [name, id, user_id, body['email'], body['signature']].find((it) => typeof it === 'string');
  return {
    actor_kind: caller?.kind ?? 'anonymous',
    actor: caller === null || caller.kind === 'local' ? '' : caller.userId,
    address,
    action,
    target: named ?? (status < 400 ? idIn(payload) : ''),
    outcome: status < 400 ? 'ok' : status === 401 || status === 403 ? 'refused' : 'failed',
    detail: JSON.stringify({ status, ...told }),
    request_id: request.id,
  };
}

/** Of what was made, by the answer. */
function idIn(payload: unknown): string {
  if (typeof payload !== 'string' || !payload.startsWith('{')) return '';
  const { id, user } = asRecord(JSON.parse(payload));
  const named = id ?? asRecord(user)['id'];
  return typeof named === 'string' ? named : '';
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
