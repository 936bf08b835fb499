import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { RolloutPlanView } from '../../shared/api/rollouts.ts';
import { FathomError } from '../../shared/errors.ts';
import { compareVersions, isVersion } from '../../shared/version.ts';
import { makeDirectory } from '../base/files/dir.ts';
import { removeTree } from '../base/files/remove-tree.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { type Binaries, FLEET_VERSION } from '../pocketbase/binary/binaries.ts';
import { closeDatabases } from '../pocketbase/data/close-databases.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import { type Change, changeDirOf, readFactsOf } from './change.ts';
import { copiedBytes } from './data/copy.ts';
import type { DatabaseThread } from './data/database-thread.ts';
import { CONCURRENT_CHANGES, defaultMaxFailures, type RolloutPlan, wavesOf } from './rollout.ts';
import { type TrialDeps, tryVersion } from './trial.ts';

/** A request with the defaults filled in. */
export interface PocketBaseRequest {
  version: string;
  databases?: string[] | undefined;
  canary: number;
  wave: number;
  max_failures?: number | undefined;
  watch_s: number;
  rehearse: boolean;
}

export interface PocketBaseRolloutDeps {
  catalog: Catalog;
  binaries: Pick<Binaries, 'fleet' | 'require'>;
}

/**
 * Plans the change of databases to a version of PocketBase.
 *
 * @throws FathomError `not_found`, `conflict`, `binary.unusable`
 */
export async function planUpgrade(
  request: PocketBaseRequest,
  { catalog, binaries }: PocketBaseRolloutDeps,
): Promise<{ plan: Omit<RolloutPlan, 'id' | 'started_at'>; view: RolloutPlanView }> {
  const { version } = request;
  await binaries.require(version);
  const entries = request.databases?.map((name) => catalog.get(name)) ?? catalog.entries();
  const sorted = entries.toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1));
  const reasons = sorted.map((entry) => ({
    entry,
    reason: versionReason(entry, version) ?? skipReason(entry),
  }));
  const taken = reasons.filter(({ reason }) => reason === null).map(({ entry }) => entry);
  if (taken.length === 0) {
    const [first] = reasons;
    const why = first ? `${first.entry.row.name}: ${first.reason ?? ''}` : 'there are none';
    throw new FathomError('conflict', `no database can be changed to PocketBase ${version} (${why})`);
  }
  const plan = {
    kind: 'pocketbase' as const,
    target: version,
    databases: taken.map(({ row }) => row.name),
    canary: request.canary,
    wave: request.wave,
    max_failures: request.max_failures ?? defaultMaxFailures(taken.length),
    watch_s: request.watch_s,
    rehearse: request.rehearse,
  };
  const waves = wavesOf({ ...plan, id: '', started_at: '' }).map((names) => names.length);
  return {
    plan,
    view: {
      version,
      databases: taken.map(({ row, instance }) => ({ name: row.name, from: instance.binary.version })),
      // Those that run the version already are not listed when all databases were asked for.
      skipped: reasons.flatMap(({ entry, reason }) =>
        reason === null || (request.databases === undefined && entry.instance.binary.version === version)
          ? []
          : [{ name: entry.row.name, reason }],
      ),
      waves,
      max_failures: plan.max_failures,
      disk_bytes: await neededBytes(taken, Math.max(...waves)),
      free_bytes: await freeBytes(catalog.directory),
    },
  };
}

/** The change of one database to a version. */
export function upgradeOf(
  plan: RolloutPlan,
  _entry: CatalogEntry,
  { binaries }: Pick<PocketBaseRolloutDeps, 'binaries'>,
): Change {
  return {
    rollout: plan.id,
    after: rowVersion(plan.target, binaries),
    why: { code: 'requested', message: `it gets PocketBase ${plan.target}` },
    apply: () => Promise.resolve(null),
    keepsData: true,
  };
}

/** Why a database cannot be changed now; null when it can. */
export function skipReason({ row, runner: { state } }: CatalogEntry): string | null {
  if (row.state !== 'ready') return `it is ${row.state === 'deleting' ? 'being deleted' : 'not complete'}`;
  const { phase, reason } = state;
  if (phase === 'failed' || phase === 'backing_off' || phase === 'unresponsive')
    return `it does not run (${reason?.message ?? phase}); fix that first`;
  return null;
}

/** Tests a version on a clone, while the database serves. */
export async function rehearseUpgrade(
  plan: RolloutPlan,
  entry: CatalogEntry,
  deps: TrialDeps & { thread: DatabaseThread; binaries: Pick<Binaries, 'require'> },
  signal: AbortSignal,
): Promise<string | null> {
  const { directory } = entry.runner.spec;
  const clone = join(changeDirOf(directory), 'rehearsal');
  const data = dataDirOf(clone);
  try {
    await removeTree(clone);
    await makeDirectory(data);
    const file = join(dataDirOf(directory), 'data.db');
    await deps.thread.run({ kind: 'vacuum', file, target: join(data, 'data.db') });
    const facts = await readFactsOf(data, entry.row.user, deps.thread);
    const binary = await deps.binaries.require(plan.target);
    const problem = await tryVersion({ entry, directory: clone, binary, facts }, deps, signal);
    if (problem === null) closeDatabases(data);
    return problem;
  } finally {
    await removeTree(clone);
  }
}

/** A database that has the version of the fleet is not pinned to it. */
function rowVersion(version: string, binaries: Pick<Binaries, 'fleet'>): string {
  return version === binaries.fleet.version ? FLEET_VERSION : version;
}

function versionReason({ instance }: CatalogEntry, version: string): string | null {
  const { version: now } = instance.binary;
  if (now === version) return `it has PocketBase ${version}`;
  if (isVersion(now) && isVersion(version) && compareVersions(version, now) < 0)
    return `it has PocketBase ${now}, which is newer`;
  return null;
}

/** Copies of watched databases stay until the end of their watch, so a whole wave can have one. */
async function neededBytes(entries: readonly CatalogEntry[], wave: number): Promise<number> {
  const sizes = await Promise.all(entries.map(({ runner }) => copiedBytes(dataDirOf(runner.spec.directory))));
  return sizes
    .toSorted((a, b) => b - a)
    .slice(0, Math.max(wave, CONCURRENT_CHANGES))
    .reduce((sum, bytes) => sum + bytes, 0);
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
