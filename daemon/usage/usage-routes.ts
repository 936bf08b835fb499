import { type DatabaseUsage, getUsage, listUsage, type UsageSample } from '../../shared/api/usage.ts';
import type { Catalog } from '../databases/catalog.ts';
import { requireCaller, requireOwnerOrAll, seesAll } from '../http/caller.ts';
import { type Api, serve, slicePage } from '../http/serve.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Runner } from '../supervisor/runner.ts';
import type { UsageHistory } from './usage-history.ts';
import { type SizeReading, trendOf } from './usage-trend.ts';

/** Enough for the trend. */
const TREND_DAYS = 8;

export interface UsageRoutesDeps {
  fleet: Fleet;
  catalog: Catalog;
  usageHistory: UsageHistory;
  inactive: { archiveAt(name: string, lastUsedAtMs: number | null): Date | null };
}

/** Registers the routes of the usage history. */
export function usageRoutes(app: Api, { fleet, catalog, usageHistory, inactive }: UsageRoutesDeps): void {
  serve(app, listUsage, async (request) => {
    const caller = requireCaller(request);
    const all = seesAll(caller, 'databases.read');
    const own = caller.kind === 'local' ? null : caller.userId;
    const sizes = await usageHistory.readSizes(TREND_DAYS);
    const lastUses = await usageHistory.readLastUses();
    const usages = fleet
      .runners(({ spec }) => all || spec.userId === own)
      .map((runner) => summaryOf(runner, sizes.get(runner.spec.name) ?? [], { lastUses, inactive }))
      .toSorted((a, b) => (b.disk_bytes ?? -1) - (a.disk_bytes ?? -1) || (a.name < b.name ? -1 : 1));
    return slicePage(usages, request.query);
  });

  serve(app, getUsage, async (request) => {
    const { name } = request.params;
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    const runner = fleet.get(name);
    const hours = await usageHistory.read(name, 'hour');
    const days = await usageHistory.read(name, 'day');
    const lastUses = await usageHistory.readLastUses();
    return { ...summaryOf(runner, days.map(toSize), { lastUses, inactive }), hours, days };
  });
}

/** The last known usage. A stopped database has its last size, and uses no memory. */
function summaryOf(
  { spec, state }: Runner,
  sizes: readonly SizeReading[],
  { lastUses, inactive }: { lastUses: ReadonlyMap<string, number> } & Pick<UsageRoutesDeps, 'inactive'>,
): DatabaseUsage {
  const lastUse = lastUses.get(spec.name) ?? null;
  const usage = state.observed.pid === null ? null : state.usage;
  const limits = spec.limits();
  const lastBytes = sizes.findLast(({ diskBytes }) => diskBytes !== null)?.diskBytes ?? null;
  const diskBytes = spec.archived() === null ? (state.usage?.disk_bytes ?? lastBytes) : 0;
  const { bytesPerDay, daysUntilLimit } = trendOf(sizes, limits.disk_bytes);
  return {
    name: spec.name,
    email: spec.email,
    disk_bytes: diskBytes,
    memory_bytes: usage?.pss_bytes ?? null,
    cpu_percent: usage?.cpu_percent ?? null,
    limits,
    disk_bytes_per_day: bytesPerDay,
    days_until_limit: daysUntilLimit,
    last_used_at: lastUse === null ? null : new Date(lastUse).toISOString(),
    archive_at: inactive.archiveAt(spec.name, lastUse)?.toISOString() ?? null,
  };
}

function toSize({ at, disk_bytes }: UsageSample): SizeReading {
  return { atMs: Date.parse(at), diskBytes: disk_bytes };
}
