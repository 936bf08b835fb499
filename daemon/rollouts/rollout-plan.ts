import { statfs } from 'node:fs/promises';
import type { Catalog, CatalogEntry } from '../databases/catalog.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';
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
}

export type NewRollout = Omit<RolloutPlan, 'id' | 'started_at'>;

/** A plan, and how it is shown. */
export interface Planned<V> {
  plan: NewRollout;
  view: V;
}

export function planOf(
  kind: RolloutPlan['kind'],
  target: string,
  entries: readonly CatalogEntry[],
  { canary, wave, max_failures, watch_s, rehearse }: RolloutOptions,
): NewRollout {
  return {
    kind,
    target,
    databases: entries.map(({ row }) => row.name),
    canary,
    wave,
    max_failures: max_failures ?? defaultMaxFailures(entries.length),
    watch_s,
    rehearse,
  };
}

/** What the plans of both kinds show. */
export async function describePlan(
  plan: NewRollout,
  entries: readonly CatalogEntry[],
  { directory }: Catalog,
): Promise<{ waves: number[]; max_failures: number; disk_bytes: number; free_bytes: number }> {
  const waves = wavesOf({ ...plan, id: '', started_at: '' }).map((names) => names.length);
  const { bavail, bsize } = await statfs(directory);
  return {
    waves,
    max_failures: plan.max_failures,
    disk_bytes: await neededBytes(entries, Math.max(...waves)),
    free_bytes: bavail * bsize,
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

/** Copies of watched databases stay until the end of their watch, so a whole wave can have one. */
async function neededBytes(entries: readonly CatalogEntry[], wave: number): Promise<number> {
  const sizes = await Promise.all(entries.map(({ runner }) => copiedBytes(dataDirOf(runner.spec.directory))));
  return sizes
    .toSorted((a, b) => b - a)
    .slice(0, Math.max(wave, CONCURRENT_CHANGES))
    .reduce((sum, bytes) => sum + bytes, 0);
}
