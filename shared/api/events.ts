import { z } from 'zod';
import { INSTANCE_PHASES, WAKE_CAUSES } from '../instance.ts';
import { endpoint } from './contract/endpoint.ts';
import { EXAMPLE_DATABASE, EXAMPLE_TIME } from './contract/fields.ts';
import { pageOf, pageQuerySchema } from './contract/page.ts';
import { tag } from './databases.ts';
import { lastExitSchema, reasonSchema } from './instances.ts';

const phase = z.enum(INSTANCE_PHASES).nullable();

/** An event in the life of an instance. Measurements are not recorded. */
const journalEntrySchema = z
  .object({
    at: z.iso.datetime(),
    name: z.string(),
    kind: z.enum(['added', 'phase', 'wake', 'moved', 'removed']),
    /** Only of `wake`: what woke the instance. */
    by: z.enum(WAKE_CAUSES).exactOptional(),
    from: phase,
    to: phase,
    /** Why the instance is in this phase; null when there is nothing to explain. */
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

export type JournalEntry = z.infer<typeof journalEntrySchema>;

/** Number of entries that the daemon keeps: a few for each of a thousand instances, about 300 bytes each. */
export const JOURNAL_KEPT = 5_000;
export const JOURNAL_KEPT_PER_INSTANCE = 500;

export const listEvents = endpoint({
  operationId: 'listEvents',
  method: 'GET',
  path: '/api/v1/events',
  tag,
  summary: 'List events of instances',
  description: 'Since the daemon started. Page 1 is the latest; each page is oldest first.',
  permission: 'databases.read',
  query: z.object({
    ...pageQuerySchema.pick({ page: true }).shape,
    name: z.string().max(128).optional().meta({ description: 'Only events of this database.' }),
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
