import { join } from 'node:path';
import type { MigrationPlanView, MigrationProblem } from '../../shared/api/migrations.ts';
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
  const { current } = templates.fleet;
  const described: Described[] = [];
  for (const entry of requestedEntries(request, catalog))
    described.push(await describeMigrations(entry, templates));
  const taken = described.filter(({ pending }) => pending.length > 0);
  if (taken.length === 0) {
    const refusal = templates.fleet.problem ?? described.find(({ problem }) => problem !== null)?.problem;
    throw new FathomError(
      'conflict',
      refusal || !current
        ? `the migrations are refused: ${refusal?.message ?? 'there are none'}`
        : 'no database lacks migrations',
    );
  }
  const chosen = taken.map(({ entry }) => entry);
  const hashes = Object.fromEntries(taken.map(({ entry, hash }) => [entry.instance.choice, hash]));
  const target = current?.hash ?? Object.values(hashes).join();
  const plan = { ...planOf('migrations', target, chosen, request), hashes };
  return {
    plan,
    view: {
      ...(await describePlan(plan, chosen, catalog)),
      hash: target,
      databases: taken.map(({ entry, pending }) => ({ name: entry.row.name, pending })),
      skipped: described.flatMap(({ entry, reason }) =>
        reason === null ? [] : [{ name: entry.row.name, reason }],
      ),
    },
  };
}

interface Described {
  entry: CatalogEntry;
  pending: string[];
  /** Of the files that it gets. */
  hash: string;
  /** Why it is not part of the plan; null when it is, or when it lacks nothing. */
  reason: string | null;
  problem: MigrationProblem | null;
}

/** What a database lacks of its applications. */
export async function describeMigrations(
  entry: CatalogEntry,
  templates: Pick<Templates, 'of' | 'prepare'>,
): Promise<Described> {
  const none = { entry, pending: [], hash: '', problem: null };
  const reason = skipReason(entry);
  if (reason !== null) return { ...none, reason };
  const { instance } = entry;
  await instance.binaryProblem();
  await templates.prepare(instance.binary, instance.choice);
  const { current, problem } = templates.of(instance.binary, instance.choice);
  if (problem) return { ...none, problem, reason: `the migrations are refused: ${problem.message}` };
  return { ...none, pending: pendingOf(entry, instance.choice), hash: current?.hash ?? '', reason: null };
}

/** The change of one database: it applies the migrations that it lacks. */
export function migrationChangeOf(
  { id, target, hashes }: RolloutPlan,
  entry: CatalogEntry,
  templates: Pick<Templates, 'prepare'>,
): Change {
  const { choice } = entry.instance;
  return {
    rollout: id,
    after: entry.row.pocketbase_version,
    why: { code: 'requested', message: 'it applies migrations' },
    ...givingApplications(choice, templates),
    applications: null,
    hold: hashes[choice] ?? target,
  };
}

/** The parts of a change that gives a database the files of its applications. */
export function givingApplications(
  choice: string,
  templates: Pick<Templates, 'prepare'>,
): Pick<Change, 'prepare' | 'apply' | 'served' | 'keepsData'> {
  return {
    prepare: ({ instance }) => templates.prepare(instance.binary, choice),
    apply: async ({ instance }, directory, signal) => {
      const preparation = {
        ...instance.preparation(choice),
        dataDir: dataDirOf(directory),
        lockFile: lockFileOf(directory),
        heldMigrations: null,
      };
      const { reason } = await prepareDatabase(preparation, signal);
      return reason?.message ?? null;
    },
    served: ({ instance }) => instance.nextServed(choice),
    keepsData: false,
  };
}

/** Why the migrations of a rollout are not applied; null when they are. */
export function outdatedReason(
  { target, hashes }: RolloutPlan,
  { instance: { binary, choice } }: CatalogEntry,
  { templates }: Pick<MigrationsRolloutDeps, 'templates'>,
): string | null {
  const store = templates.of(binary, choice);
  // A store that no database of this daemon has used yet is built by the change.
  return !store.isRead || store.current?.hash === (hashes[choice] ?? target)
    ? null
    : "the migrations have changed since the rollout began; run 'fathomd migrations apply' again";
}

/** What a database lacks of a choice of applications, whose template exists. */
export function pendingOf({ instance, runner }: CatalogEntry, choice: string): string[] {
  const { template } = instance.preparation(choice);
  if (!template) return [];
  const file = join(dataDirOf(runner.spec.directory), 'data.db');
  const pending = withDatabase(file, { readOnly: true, timeoutMs: 1_000 }, (database) =>
    hasTable(database, '_migrations') ? pendingMigrations(database, template.files) : [],
  );
  const { served } = instance;
  const next = instance.nextServed(choice);
  const isServed = served.hooksDir === next.hooksDir && served.publicDir === next.publicDir;
  return isServed ? pending : [...pending, SERVED];
}
