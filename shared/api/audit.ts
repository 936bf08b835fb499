import { z } from 'zod';
import { pageOf, pageQuerySchema } from '../protocol.ts';
import { endpoint } from './endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './fields.ts';

const tag = 'Audit';
const outcome = z.enum(['ok', 'refused', 'failed']);

const auditEntrySchema = z
  .object({
    seq: z.int(),
    at: z.string(),
    actor_kind: z.enum(['local', 'session', 'key', 'anonymous', 'superuser']),
    actor: z.string(),
    address: z.string(),
    action: z.string(),
    target: z.string(),
    outcome,
    detail: z.string(),
    request_id: z.string(),
  })
  .meta({
    id: 'AuditEntry',
    examples: [
      {
        seq: 42,
        at: EXAMPLE_TIME,
        actor_kind: 'session',
        actor: EXAMPLE_ID,
        address: '192.0.2.7',
        action: 'database.stop',
        target: EXAMPLE_DATABASE,
        outcome: 'ok',
        detail: '{"status":200}',
        request_id: '6f1f3f5e-0f0c-4f0f-9d65-2b9f4f0a7a11',
      },
    ],
  });

/** PocketBase's filters have no escape for a backslash before a quote, so neither gets into one. */
const comparable = z.string().regex(/^[^\\'"\p{C}]*$/u, 'holds a quote, a backslash or a control character');

export const listAudit = endpoint({
  operationId: 'listAudit',
  method: 'GET',
  path: '/api/v1/audit',
  tag,
  summary: 'List the audit log',
  description: 'The newest entry first.',
  permission: 'audit.read',
  query: pageQuerySchema.omit({ sort: true }).extend({
    action: comparable.max(120).optional(),
    actor: comparable.max(254).optional(),
    target: comparable.max(254).optional(),
    outcome: outcome.optional(),
  }),
  responses: { 200: { description: 'One page of entries.', schema: pageOf(auditEntrySchema) } },
});

export const verifyAudit = endpoint({
  operationId: 'verifyAudit',
  method: 'GET',
  path: '/api/v1/audit/verification',
  tag,
  summary: 'Verify the audit log',
  description: 'Reads the whole chain.',
  permission: 'audit.read',
  responses: {
    200: {
      description: 'Whether the chain is complete and unchanged.',
      schema: z
        .object({ ok: z.boolean(), checked: z.int(), problem: z.string().nullable() })
        .meta({ id: 'AuditVerification', examples: [{ ok: true, checked: 42, problem: null }] }),
    },
  },
  timeoutMs: 600_000,
});

/** Methods of `client.audit`. */
export const audit = {
  list: listAudit,
  verify: verifyAudit,
};
