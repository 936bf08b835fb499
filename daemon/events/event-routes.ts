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

/** Registers the list of events since the daemon started. The stream sends later events. */
export function eventRoutes(app: Api, { journal, catalog }: EventRoutesDeps): void {
  serve(app, listEvents, (request) => {
    const caller = requireCaller(request);
    const { name, page, per_page, limit } = request.query;
    const size = limit ?? per_page;
    const all = seesAll(caller, 'databases.read');
    const own = caller.kind === 'local' ? null : caller.userId;
    const matching = journal.listEntries(
      (entry) =>
        (name === undefined || entry.name === name) &&
        (all || (own !== null && catalog.find(entry.name)?.row.user === own)),
    );
    // Page 1 has the latest events; within a page the oldest is first.
    const end = Math.max(0, matching.length - (page - 1) * size);
    return {
      items: matching
        .slice(Math.max(0, end - size), end)
        .map((entry) => ({ ...entry, reason: redactReason(caller, entry.reason) })),
      page,
      per_page: size,
      total: matching.length,
    };
  });
}
