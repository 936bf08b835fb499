import type { RolloutPlanView } from '../../shared/api/rollouts.ts';
import { FathomError } from '../../shared/errors.ts';
import { compareVersions, isVersion } from '../../shared/version.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import type { Templates } from '../databases/provisioning/templates.ts';
import { advisoriesOf, hazardsOnTheWay } from '../pocketbase/advisories/assess-releases.ts';
import { type Binaries, FLEET_VERSION } from '../pocketbase/binary/binaries.ts';
import { isRefusedAfter, olderVersionMessage } from '../pocketbase/data/last-version.ts';
import type { Change } from './change.ts';
import type { RolloutPlan } from './rollout.ts';
import {
  describePlan,
  type Planned,
  planOf,
  type RolloutOptions,
  requestedEntries,
  skipReason,
} from './rollout-plan.ts';

export interface PocketBaseRolloutDeps {
  catalog: Catalog;
  binaries: Pick<Binaries, 'fleet' | 'problemOf' | 'require'>;
}

/**
 * Plans the change of databases to a version of PocketBase.
 *
 * @throws FathomError `not_found`, `conflict`
 */
export async function planUpgrade(
  request: RolloutOptions & { version: string; back: boolean },
  { catalog, binaries }: PocketBaseRolloutDeps,
): Promise<Planned<RolloutPlanView>> {
  const { version, back } = request;
  const unusable = await binaries.problemOf(version);
  if (unusable !== null) throw new FathomError('conflict', unusable.message);
  const reasons = requestedEntries(request, catalog).map((entry) => ({
    entry,
    reason: versionReason(entry, { target: version, back }) ?? skipReason(entry),
  }));
  const taken = reasons.filter(({ reason }) => reason === null).map(({ entry }) => entry);
  if (taken.length === 0) {
    const [first] = reasons;
    const why = first ? `${first.entry.row.name}: ${first.reason ?? ''}` : 'there are none';
    throw new FathomError('conflict', `no database can be changed to PocketBase ${version} (${why})`);
  }
  const plan = planOf('pocketbase', version, taken, request);
  return {
    plan,
    view: {
      ...(await describePlan(plan, taken, catalog)),
      version,
      ...assessWay(taken, version),
      databases: taken.map(({ row, instance }) => ({ name: row.name, from: instance.binary.version })),
      // Those that run the version already are not listed when all databases were asked for.
      skipped: reasons.flatMap(({ entry, reason }) =>
        reason === null || (request.databases === undefined && entry.instance.binary.version === version)
          ? []
          : [{ name: entry.row.name, reason }],
      ),
    },
  };
}

/** The vulnerabilities that the change closes, and what to know about it. */
function assessWay(
  entries: readonly CatalogEntry[],
  version: string,
): Pick<RolloutPlanView, 'closes' | 'hazards'> {
  const versions = [...new Set(entries.map(({ instance }) => instance.binary.version))];
  const left = new Set(advisoriesOf(version).map(({ id }) => id));
  return {
    closes: uniqueById(versions.flatMap((from) => advisoriesOf(from))).filter(({ id }) => !left.has(id)),
    hazards: uniqueById(versions.flatMap((from) => hazardsOnTheWay(from, version))),
  };
}

function uniqueById<T extends { id: string }>(all: readonly T[]): T[] {
  return [...new Map(all.map((one) => [one.id, one])).values()];
}

/** The change of one database to a version. */
export function upgradeOf(
  plan: RolloutPlan,
  {
    binaries,
    templates,
  }: Pick<PocketBaseRolloutDeps, 'binaries'> & { templates: Pick<Templates, 'prepare'> },
): Change {
  const after = rowVersion(plan.target, binaries);
  return {
    rollout: plan.id,
    after,
    // Its next start needs it.
    prepare: async ({ instance }) => templates.prepare(await binaries.require(after), instance.choice),
    applications: null,
    why: { code: 'requested', message: `it gets PocketBase ${plan.target}` },
    apply: () => Promise.resolve(null),
    served: ({ instance }) => instance.served,
    keepsData: true,
    hold: null,
  };
}

/** A database that has the version of the fleet is not pinned to it. */
function rowVersion(version: string, binaries: Pick<Binaries, 'fleet'>): string {
  return version === binaries.fleet.version ? FLEET_VERSION : version;
}

/** Why the version of a database is not changed; null when it is. */
export function versionReason(
  { instance }: { instance: { binary: { version: string } } },
  { target, back }: Pick<RolloutPlan, 'target' | 'back'>,
): string | null {
  const { version: now } = instance.binary;
  if (now === target) return `it has PocketBase ${target}`;
  if (!isVersion(now) || !isVersion(target)) return null;
  const isNewer = compareVersions(now, target) > 0;
  if (isNewer !== back) return `it has PocketBase ${now}, which is ${isNewer ? 'newer' : 'older'}`;
  return isRefusedAfter(target, now) ? olderVersionMessage(target, now) : null;
}
