import { join } from 'node:path';
import type { MigrationPlanView } from '../../shared/api/migrations.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { pendingMigrations } from '../databases/migrations/applied.ts';
import { prepareDatabase } from '../databases/provisioning/prepare-database.ts';
import type { Templates } from '../databases/provisioning/templates.ts';
import { hasTable, withDatabase } from '../pocketbase/data/sqlite.ts';
import { dataDirOf, lockFileOf } from '../supervisor/instance-spec.ts';
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

export interface MigrationsRolloutDeps {
  catalog: Catalog;
  templates: Pick<Templates, 'fleet' | 'of' | 'prepare' | 'refresh'>;
}

/** The entry for hooks and static files in the list of what a database lacks. */
const SERVED = 'hooks and static files';

/**
 * Plans to apply migrations, hooks and static files of applications to databases that do not have them.
 *
 * @throws FathomError `not_found`, `conflict` when the migrations are refused or no database lacks them
 */
export async function planMigrations(
  request: RolloutOptions,
  { catalog, templates }: MigrationsRolloutDeps,
): Promise<Planned<MigrationPlanView>> {
  await templates.refresh();
  const { current, problem } = templates.fleet;
  if (problem || !current)
    throw new FathomError('conflict', `the migrations are refused: ${problem?.message ?? 'there are none'}`);
  const described: { entry: CatalogEntry; pending: string[]; reason: string | null }[] = [];
  for (const entry of requestedEntries(request, catalog)) {
    const reason = skipReason(entry);
    const pending = reason === null ? await pendingOf(entry, templates) : [];
    described.push({ entry, pending, reason });
  }
  const taken = described.filter(({ pending }) => pending.length > 0);
  if (taken.length === 0) throw new FathomError('conflict', 'no database lacks migrations');
  const chosen = taken.map(({ entry }) => entry);
  const plan = planOf('migrations', current.hash, chosen, request);
  return {
    plan,
    view: {
      ...(await describePlan(plan, chosen, catalog)),
      hash: current.hash,
      databases: taken.map(({ entry, pending }) => ({ name: entry.row.name, pending })),
      skipped: described.flatMap(({ entry, reason }) =>
        reason === null ? [] : [{ name: entry.row.name, reason }],
      ),
    },
  };
}

/** The change of one database: it applies the migrations that it lacks. */
export function migrationChangeOf({ id, target }: RolloutPlan, entry: CatalogEntry): Change {
  return {
    rollout: id,
    after: entry.row.pocketbase_version,
    why: { code: 'requested', message: 'it applies migrations' },
    apply: async ({ instance }, directory, signal) => {
      const preparation = {
        ...instance.preparation(),
        dataDir: dataDirOf(directory),
        lockFile: lockFileOf(directory),
        heldMigrations: null,
      };
      const reason = await prepareDatabase(preparation, signal);
      return reason?.message ?? null;
    },
    served: ({ instance }) => instance.nextServed,
    keepsData: false,
    hold: target,
  };
}

/** Why the migrations of a rollout are not applied; null when they are. */
export function outdatedReason(
  { target }: RolloutPlan,
  { templates }: Pick<MigrationsRolloutDeps, 'templates'>,
): string | null {
  return templates.fleet.current?.hash === target
    ? null
    : "the migrations have changed since the rollout began; run 'fathomd migrations apply' again";
}

async function pendingOf(
  { instance, runner }: CatalogEntry,
  templates: MigrationsRolloutDeps['templates'],
): Promise<string[]> {
  await instance.binaryProblem();
  await templates.prepare(instance.binary);
  const { template } = instance.preparation();
  if (!template) return [];
  const file = join(dataDirOf(runner.spec.directory), 'data.db');
  const pending = withDatabase(file, { readOnly: true, timeoutMs: 1_000 }, (database) =>
    hasTable(database, '_migrations') ? pendingMigrations(database, template.files) : [],
  );
  const { served, nextServed } = instance;
  const isServed = served.hooksDir === nextServed.hooksDir && served.publicDir === nextServed.publicDir;
  return isServed ? pending : [...pending, SERVED];
}
