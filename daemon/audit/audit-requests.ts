import type { FastifyRequest } from 'fastify';
import { LIMIT_NAMES } from '../../shared/limits.ts';
import { originOf } from '../http/client-address.ts';
import { isAnsweredElsewhere, passOf } from '../http/forwarding/forwarded.ts';
import { peerUserOf } from '../http/listen/peer.ts';
import type { Api } from '../http/serve.ts';
import type { AuditTrail, NewAuditEntry } from './audit-trail.ts';

/** Actions that are recorded for callers without an account, too. */
const PUBLIC_ACTIONS: ReadonlySet<string> = new Set(['sign-up', 'sign-in', 'account.undelete']);

/** Members of the body that go into the detail. None of them is secret. */
const RECORDED = [
  'role',
  'plan',
  'developer',
  'access',
  'is_active',
  'verified',
  'permissions',
  'user_id',
  'force_restart',
  'type',
  'cron',
  'name',
  ...LIMIT_NAMES,
];

export interface AuditRequestsDeps {
  audit: AuditTrail;
  trustedProxies: readonly string[];
}

/** Records each request that changes something, before the response is sent. */
export function auditRequests(app: Api, deps: AuditRequestsDeps): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const { audit: action } = request.routeOptions.config;
    if (typeof action !== 'string' || isAnsweredElsewhere(request.raw)) return;
    // Callers without an account must not fill the log: rate limits bound their sign-ins, and malformed ones are left out.
    if (request.caller === null && !(PUBLIC_ACTIONS.has(action) && isAttempt(reply.statusCode, request.body)))
      return;
    if (reply.statusCode === 429) return;
    const { address } = originOf(request, deps.trustedProxies);
    const response = { action, status: reply.statusCode, payload };
    await deps.audit.record(toAuditEntry(request, address, response));
  });
}

/** Whether an unauthenticated request was a sign-in or sign-up, rather than one with a malformed body or token. */
function isAttempt(status: number, body: unknown): boolean {
  if (status < 400) return true;
  return typeof asRecord(body)['email'] === 'string' && ![400, 413, 415].includes(status);
}

function toAuditEntry(
  request: FastifyRequest,
  address: string,
  { action, status, payload }: { action: string; status: number; payload: unknown },
): NewAuditEntry {
  const { caller } = request;
  const body = asRecord(request.body);
  const { name, id } = asRecord(request.params);
  const { user_id } = asRecord(request.query);
  const members = { ...asRecord(body['task']), ...body };
  // A body that was not valid can hold anything.
  const names = status === 400 ? [] : RECORDED;
  const recorded = Object.fromEntries(
    names.flatMap((key) => (members[key] === undefined ? [] : [[key, members[key]]])),
  );
  const { raw } = request;
  const uid = caller?.kind === 'local' ? (passOf(raw)?.local?.uid ?? peerUserOf(raw.socket)) : null;
  const target = [name, id, user_id, body['email'], body['signature']].find((it) => typeof it === 'string');
  return {
    actor_kind: caller?.kind ?? 'anonymous',
    actor: caller === null || caller.kind === 'local' ? '' : caller.userId,
    address,
    action,
    target: target ?? (status < 400 ? createdId(payload) : ''),
    outcome: status < 400 ? 'ok' : status === 401 || status === 403 ? 'refused' : 'failed',
    detail: JSON.stringify({ status, ...recorded, ...(uid === null ? {} : { uid }) }),
    request_id: request.id,
  };
}

/** Returns the id of the created resource or user in the response body. */
function createdId(payload: unknown): string {
  if (typeof payload !== 'string' || !payload.startsWith('{')) return '';
  const { id, user } = asRecord(JSON.parse(payload));
  const created = id ?? asRecord(user)['id'];
  return typeof created === 'string' ? created : '';
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
