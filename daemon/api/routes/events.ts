import { z } from 'zod';
import { INSTANCE_PHASES } from '../../../shared/instance.ts';
import type { JournalEntry } from '../../../shared/journal.ts';
import { lastExitSchema, pageOf, reasonSchema } from '../../../shared/protocol.ts';
import { JOURNAL_KEPT } from '../../events/journal.ts';
import { requireCaller, seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const phase = z.enum(INSTANCE_PHASES).nullable();
const entrySchema: z.ZodType<JournalEntry> = z
  .object({
    at: z.iso.datetime(),
    name: z.string(),
    kind: z.enum(['added', 'phase', 'removed']),
    from: phase,
    to: phase,
    reason: reasonSchema.omit({ log_tail: true }).nullable(),
    last_exit: lastExitSchema.nullable(),
  })
  .meta({ id: 'JournalEntry' });

/** What happened to the instances since the daemon started; what happens from now on is told by the stream. */
export function eventRoutes(app: Api, { journal, catalog }: ApiDeps): void {
  app.get(
    '/api/v1/events',
    {
      config: { permission: 'databases.read' },
      schema: {
        querystring: z.object({
          name: z.string().max(128).optional(),
          page: z.coerce.number().int().min(1).default(1),
          per_page: z.coerce.number().int().min(1).max(500).default(200),
          /** In the place of `per_page`: as many of the latest. */
          limit: z.coerce.number().int().min(1).max(JOURNAL_KEPT).optional(),
        }),
        response: { 200: pageOf(entrySchema) },
      },
    },
    (request) => {
      const caller = requireCaller(request);
      const { name, page, per_page, limit } = request.query;
      const size = limit ?? per_page;
      const all = seesAll(caller, 'databases.read');
      const own = caller.kind === 'local' ? null : caller.userId;
      const wanted = journal.entries(
        (entry) =>
          (name === undefined || entry.name === name) &&
          (all || (own !== null && catalog.find(entry.name)?.row.user === own)),
      );
      // The first page has the latest, each page the oldest first.
      const end = Math.max(0, wanted.length - (page - 1) * size);
      return {
        items: wanted.slice(Math.max(0, end - size), end),
        page,
        per_page: size,
        total: wanted.length,
      };
    },
  );
}
