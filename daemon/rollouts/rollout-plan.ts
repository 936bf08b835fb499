import { statfs } from 'node:fs/promises';
import type { InstancePhase } from '../../shared/instance.ts';
import { type Clock, deadline } from '../base/time/clock.ts';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
import type { InstanceState } from '../supervisor/instance-state.ts';
import type { Runner } from '../supervisor/runner.ts';
import { copiedBytes } from './data/copy.ts';
import { CONCURRENT_CHANGES, defaultMaxFailures, type RolloutPlan, wavesOf } from './rollout.ts';

/** The options of a request with the defaults filled in. */
export interface RolloutOptions {
  databases?: string[] | undefined;
  canary: number;
  wave: number;
  max_failures?: number | undefined;
  watch_s: number;
  rehearse: boolean;
  back?: boolean;
  without_backup: boolean;
}

/** How long a rollout waits for a database that does not run when its turn comes. */
const SETTLE_TIMEOUT_MS = 30_000;
const UNSETTLED: ReadonlySet<InstancePhase> = new Set(['backing_off', 'unresponsive']);
/** A start is in progress in the other phases, and may fail again. */
const SETTLED: ReadonlySet<InstancePhase> = new Set(['running', 'asleep', 'stopped', 'failed']);

export type NewRollout = Omit<RolloutPlan, 'id' | 'started_at'>;

/** A plan, and how it is shown. */
export interface Planned<V> {
  plan: NewRollout;
  view: V;
}

/** The databases of a request, each once, in the order in which they are changed. @throws FathomError `not_found` */
export function requestedEntries({ databases }: RolloutOptions, catalog: Catalog): CatalogEntry[] {
  const entries = databases ? [...new Set(databases)].map((name) => catalog.get(name)) : catalog.entries();
  return entries.toSorted((a, b) => (a.row.name < b.row.name ? -1 : 1));
}

export function planOf(
  kind: RolloutPlan['kind'],
  target: string,
  entries: readonly CatalogEntry[],
  { canary, wave, max_failures, watch_s, rehearse, back = false, without_backup }: RolloutOptions,
): NewRollout {
  return {
    kind,
    target,
    hashes: {},
    databases: entries.map(({ row }) => row.name),
    canary,
    wave,
    max_failures: max_failures ?? defaultMaxFailures(entries.length),
    watch_s,
    rehearse,
    back,
    backup: false,
    without_backup,
  };
}

/** What the plans of both kinds show. */
export async function describePlan(
  plan: NewRollout,
  entries: readonly CatalogEntry[],
  { directory }: Catalog,
): Promise<{
  waves: number[];
  max_failures: number;
  disk_bytes: number;
  free_bytes: number;
  backup_skipped: string | null;
}> {
  const waves = wavesOf({ ...plan, id: '', started_at: '' }).map((names) => names.length);
  const { bavail, bsize } = await statfs(directory);
  return {
    waves,
    max_failures: plan.max_failures,
    disk_bytes: await neededBytes(entries, Math.max(...waves)),
    free_bytes: bavail * bsize,
    backup_skipped: null,
  };
}

/** Why a database is not part of a plan; null when it is. One that does not run for a moment is. */
export function skipReason({ row, runner: { spec, state } }: CatalogEntry): string | null {
  if (row.state !== 'ready') return `it is ${row.state === 'deleting' ? 'being deleted' : 'not complete'}`;
  if (spec.archived() !== null) return 'it is archived, and changes when it comes back';
  return state.phase === 'failed' ? notRunning(state) : null;
}

function notRunning({ phase, reason }: Pick<InstanceState, 'phase' | 'reason'>): string {
  return `it does not run (${reason?.message ?? phase}); fix that first`;
}

/**
 * Waits for a database that does not answer or does not run for a moment, as under load, or that is maintained. One that waits
 * for an application stays as it is, until the rollout takes the application from it.
 *
 * @returns why it cannot be changed when the time has passed; null when it can, or when the signal aborts
 */
export async function untilSettled(
  runner: Pick<Runner, 'state' | 'maintenance'>,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | null> {
  const { state } = runner;
  const isSettledNow = !UNSETTLED.has(state.phase) || state.reason?.code === 'app_missing';
  if (isSettledNow && !runner.maintenance) return null;
  const timeout = deadline(clock, SETTLE_TIMEOUT_MS);
  const isSettled = await state.until(
    () => SETTLED.has(state.phase) && !runner.maintenance,
    AbortSignal.any([signal, timeout.signal]),
  );
  timeout.cancel();
  return isSettled || signal.aborted ? null : notRunning(state);
}

/** Copies of watched databases stay until the end of their watch, so a whole wave can have one. */
async function neededBytes(entries: readonly CatalogEntry[], wave: number): Promise<number> {
  const sizes = await Promise.all(entries.map(({ runner }) => copiedBytes(dataDirOf(runner.spec.directory))));
  return sizes
    .toSorted((a, b) => b - a)
    .slice(0, Math.max(wave, CONCURRENT_CHANGES))
    .reduce((sum, bytes) => sum + bytes, 0);
}
