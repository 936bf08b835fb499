import { z } from 'zod';
import { pageOf, pageQuerySchema } from '../../../shared/protocol.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const entrySchema = z
  .object({
    seq: z.int(),
    at: z.string(),
    actor_kind: z.enum(['local', 'session', 'key', 'anonymous', 'superuser']),
    actor: z.string(),
    address: z.string(),
    action: z.string(),
    target: z.string(),
    outcome: z.enum(['ok', 'refused', 'failed']),
    detail: z.string(),
    request_id: z.string(),
  })
  .meta({ id: 'AuditEntry' });

/** PocketBase's filters have no escape for a backslash before a quote, so neither gets into one. */
const comparable = z.string().regex(/^[^\\'"\p{C}]*$/u, 'holds a quote, a backslash or a control character');

/** Who did what. */
export function auditRoutes(app: Api, { audit, auditRepository }: ApiDeps): void {
  app.get(
    '/api/v1/audit',
    {
      config: { permission: 'audit.read' },
      schema: {
        querystring: pageQuerySchema.omit({ sort: true }).extend({
          action: comparable.max(120).optional(),
          actor: comparable.max(254).optional(),
          target: comparable.max(254).optional(),
          outcome: z.enum(['ok', 'refused', 'failed']).optional(),
        }),
        response: { 200: pageOf(entrySchema) },
      },
    },
    async (request) => {
      const { page, per_page, ...wanted } = request.query;
      const { items, total } = await auditRepository.list({ ...wanted, page, perPage: per_page });
      return { items, page, per_page, total };
    },
  );

  app.get(
    '/api/v1/audit/verification',
    {
      config: { permission: 'audit.read' },
      schema: {
        response: {
          200: z.object({ ok: z.boolean(), checked: z.int(), problem: z.string().nullable() }),
        },
      },
    },
    () => audit.verify(),
  );
}
