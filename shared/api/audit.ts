import { z } from 'zod';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_ID, EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, pageQuerySchema } from './contract/page.ts';

const tag = { name: 'Audit', description: 'The audit log.' };
const outcome = z.enum(['ok', 'refused', 'failed']);

const auditEntrySchema = z
  .object({
    /** Sequence number: 1 for the first entry, then one more for each. */
    seq: z.int(),
    at: z.string(),
    /** `local`: the request came through the local socket. */
    actor_kind: z.enum(['local', 'session', 'key', 'anonymous', 'superuser']),
    /** The id of a user, or the e-mail address of a superuser of the global PocketBase. */
    actor: z.string(),
    address: z.string(),
    /** For example `database.stop`. */
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

export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** Filters of PocketBase cannot escape a backslash before a quote, so neither is allowed. */
const comparable = z
  .string()
  .regex(/^[^\\'"\p{C}]*$/u, 'contains a quote, a backslash or a control character');

export const listAudit = endpoint({
  operationId: 'listAudit',
  method: 'GET',
  path: '/api/v1/audit',
  tag,
  summary: 'List the audit log',
  description: 'The newest entry first. Entries older than AUDIT_RETENTION_DAYS are in the archive.',
  permission: 'audit.read',
  query: pageQuerySchema.omit({ sort: true }).extend({
    action: comparable.max(120).optional(),
    actor: comparable.max(254).optional(),
    target: comparable.max(254).optional(),
    outcome: outcome.optional(),
  }),
  responses: { 200: { description: 'One page of entries.', schema: pageOf(auditEntrySchema) } },
});

const defectSchema = z
  .object({
    kind: z
      .enum(['edited', 'missing', 'misplaced', 'unlinked', 'replaced', 'unreadable', 'end_unknown'])
      .meta({
        description:
          '`unreadable`: the archive has lines that are not entries in place of these. `end_unknown`: audit-head.json is missing, so entries after `from` may be missing.',
      }),
    from: z.number().meta({ description: 'Sequence number of the first entry.' }),
    to: z.number().meta({ description: 'Sequence number of the last entry.' }),
  })
  .meta({ id: 'AuditDefect', examples: [{ kind: 'missing', from: 5, to: 9 }] });

export type AuditDefect = z.infer<typeof defectSchema>;

const EXAMPLE_VERIFICATION = { ok: true, checked: 42, problem: null, defects: [], defect_count: 0 };

const verificationSchema = z
  .object({
    ok: z.boolean(),
    checked: z.int().meta({ description: 'Number of entries that were read.' }),
    problem: z.string().nullable().meta({ description: 'The first defect, as a sentence.' }),
    defects: z.array(defectSchema).meta({ description: 'The first 100 ranges of entries with a defect.' }),
    defect_count: z.int().meta({ description: 'Number of all ranges with a defect.' }),
  })
  .meta({ id: 'AuditVerification', examples: [EXAMPLE_VERIFICATION] });

export type AuditVerification = z.infer<typeof verificationSchema>;

export const verifyAudit = endpoint({
  operationId: 'verifyAudit',
  method: 'GET',
  path: '/api/v1/audit/verification',
  tag,
  summary: 'Verify the audit log',
  description: 'Reads the whole chain, the archive included, and continues after a defect.',
  permission: 'audit.read',
  responses: {
    200: {
      description: 'Whether the chain is complete and unchanged.',
      schema: verificationSchema,
    },
  },
  timeoutMs: 600_000,
});

const archiveSchema = z
  .object({
    directory: z.string().meta({ description: 'On the host of the daemon.' }),
    retention_days: z
      .number()
      .nullable()
      .meta({ description: 'AUDIT_RETENTION_DAYS; null keeps all entries in the list.' }),
    problem: z.string().nullable().meta({ description: 'Why entries cannot be archived now.' }),
    files: z
      .array(
        z.object({
          name: z.string(),
          month: z.string(),
          from: z.number().meta({ description: 'Sequence number of the first entry.' }),
          to: z.number().meta({ description: 'Sequence number of the last entry.' }),
          bytes: z.int(),
        }),
      )
      .meta({ description: 'The oldest first. Each line is one entry as JSON.' }),
  })
  .meta({
    id: 'AuditArchive',
    examples: [
      {
        directory: '/var/lib/fathom/audit',
        retention_days: 365,
        problem: null,
        files: [
          { name: '000000000001-2025-01.jsonl', month: '2025-01', from: 1, to: 4200, bytes: 2_100_000 },
        ],
      },
    ],
  });

export type AuditArchiveState = z.infer<typeof archiveSchema>;

export const getAuditArchive = endpoint({
  operationId: 'getAuditArchive',
  method: 'GET',
  path: '/api/v1/audit/archive',
  tag,
  summary: 'Show where old audit entries are',
  description: 'Entries older than AUDIT_RETENTION_DAYS, in files on the host of the daemon.',
  permission: 'audit.read',
  responses: { 200: { description: 'The files of the archive.', schema: archiveSchema } },
});

/** Methods of `client.audit`. */
export const audit = {
  list: listAudit,
  verify: verifyAudit,
  archive: getAuditArchive,
};
