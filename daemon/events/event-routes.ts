import { listEvents } from '../../shared/api/events.ts';
import type { Catalog } from '../databases/catalog.ts';
import { requireCaller, seesAll } from '../http/caller.ts';
import { redactReason } from '../http/redact.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Journal } from './journal.ts';

export interface EventRoutesDeps {
  journal: Journal;
  catalog: Catalog;
}

/** What happened to the instances since the daemon started; what happens from now on is told by the stream. */
export function eventRoutes(app: Api, { journal, catalog }: EventRoutesDeps): void {
  serve(app, listEvents, (request) => {
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
      items: wanted
        .slice(Math.max(0, end - size), end)
        .map((entry) => ({ ...entry, reason: redactReason(caller, entry.reason) })),
      page,
      per_page: size,
      total: wanted.length,
    };
  });
}
