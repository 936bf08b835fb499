import { z } from 'zod';
import { INSTANCE_PHASES } from '../instance.ts';
import { JOURNAL_KEPT, type JournalEntry } from '../journal.ts';
import { lastExitSchema, pageOf, pageQuerySchema, reasonSchema } from '../protocol.ts';
import { endpoint } from './endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_TIME } from './fields.ts';

const tag = 'Databases';
const phase = z.enum(INSTANCE_PHASES).nullable();

const journalEntrySchema: z.ZodType<JournalEntry> = z
  .object({
    at: z.iso.datetime(),
    name: z.string(),
    kind: z.enum(['added', 'phase', 'moved', 'removed']),
    from: phase,
    to: phase,
    reason: reasonSchema.omit({ log_tail: true }).nullable(),
    last_exit: lastExitSchema.nullable(),
  })
  .meta({
    id: 'JournalEntry',
    examples: [
      {
        at: EXAMPLE_TIME,
        name: EXAMPLE_DATABASE,
        kind: 'phase',
        from: 'starting',
        to: 'running',
        reason: null,
        last_exit: null,
      },
    ],
  });

export const listEvents = endpoint({
  operationId: 'listEvents',
  method: 'GET',
  path: '/api/v1/events',
  tag,
  summary: 'List what happened to instances',
  description: 'Since the daemon started. Page 1 is the latest; each page is oldest first.',
  permission: 'databases.read',
  query: z.object({
    ...pageQuerySchema.pick({ page: true }).shape,
    name: z.string().max(128).optional().meta({ description: 'Only of this database.' }),
    per_page: z.coerce.number().int().min(1).max(500).default(200).meta({ description: 'Items on a page.' }),
    limit: z.coerce
      .number()
      .int()
      .min(1)
      .max(JOURNAL_KEPT)
      .optional()
      .meta({ description: 'Instead of `per_page`: the number of latest events.' }),
  }),
  responses: { 200: { description: 'One page of events.', schema: pageOf(journalEntrySchema) } },
});

/** Methods of `client.events`. */
export const events = { list: listEvents };
