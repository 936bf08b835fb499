import type { Rollout, RolloutKind } from '../../shared/api/rollouts.ts';
import { FathomError } from '../../shared/errors.ts';

/** What a rollout does, fixed at its start. */
export interface RolloutPlan {
  id: string;
  kind: RolloutKind;
  /** The version of PocketBase, the hash of the migrations, or the name of the application. */
  target: string;
  /** Hashes of the files that databases get, by the applications of the database. */
  hashes: Record<string, string>;
  started_at: string;
  /** Names, in their order. */
  databases: string[];
  /** Databases of the first wave. */
  canary: number;
  /** Databases of each later wave; 0 takes all in one. */
  wave: number;
  /** Failures after the canary that do not halt it. */
  max_failures: number;
  /** How long a changed database is watched, in seconds. */
  watch_s: number;
  /** Tests each database on a clone first. */
  rehearse: boolean;
  /** Whether it changes databases with a newer version of PocketBase to this one. */
  back: boolean;
  /** Backs up each database right before its change, if it has changed since its last backup. */
  backup: boolean;
  /** Also changes databases whose backup fails. */
  without_backup: boolean;
}

export const OUTCOMES = ['changed', 'failed', 'skipped'] as const;

/** How the change of one database ended. `failed`: it is as before. */
export interface RolloutOutcome {
  database: string;
  result: (typeof OUTCOMES)[number];
  at: string;
  /** Why it failed or was skipped; null when it is changed. */
  message: string | null;
  /** How long it did not answer, in milliseconds; null when it did not run. */
  unanswered_ms: number | null;
}

/**
 *   running ◀──▶ paused
 *      │  ▲
 *      │  └──────── halted (too many failures)
 *      ├──▶ done       any ──▶ aborted
 */
export const ROLLOUT_STATUSES = ['running', 'paused', 'halted', 'aborted', 'done'] as const;
export type RolloutStatus = (typeof ROLLOUT_STATUSES)[number];

export interface RolloutState {
  status: RolloutStatus;
  /** Why it is halted; null while it is not. */
  reason: string | null;
  /** Failures that were accepted by a resume after a halt. */
  accepted: number;
}

/** The rollout in progress, or the last one. */
export interface CurrentRollout {
  plan: RolloutPlan;
  state: RolloutState;
  outcomes: Map<string, RolloutOutcome>;
  active: Set<string>;
  watched: Set<string>;
}

export interface RolloutProgress {
  status: RolloutStatus;
  outcomes: ReadonlyMap<string, RolloutOutcome>;
  /** Databases that are changed now, those that are only watched included. */
  active: ReadonlySet<string>;
  /** Those of `active` that are only watched. */
  watched: ReadonlySet<string>;
  /** Failures that were accepted by a resume after a halt. */
  accepted: number;
}

export type RolloutStep =
  | { kind: 'begin'; databases: string[] }
  /** For the end of a change, or for a command. */
  | { kind: 'wait' }
  | { kind: 'halt'; reason: string }
  | { kind: 'finish' };

/** Changes at the same time. More would only take longer each. */
export const CONCURRENT_CHANGES = 2;

/** Decides what a rollout does next. A wave begins when all databases of the one before have ended, their watch included. */
export function nextStep(plan: RolloutPlan, progress: RolloutProgress): RolloutStep {
  const { status, outcomes, active, watched } = progress;
  if (status !== 'running') return { kind: 'wait' };
  const reason = haltReason(plan, progress);
  if (reason !== null) return { kind: 'halt', reason };
  const wave = wavesOf(plan).find((names) => names.some((name) => !outcomes.has(name)));
  if (!wave) return active.size > 0 ? { kind: 'wait' } : { kind: 'finish' };
  const free = CONCURRENT_CHANGES - (active.size - watched.size);
  const waiting = wave.filter((name) => !outcomes.has(name) && !active.has(name));
  const databases = waiting.slice(0, Math.max(0, free));
  return databases.length === 0 ? { kind: 'wait' } : { kind: 'begin', databases };
}

/** The databases of each wave, the canary first. */
export function wavesOf({ databases, canary, wave }: RolloutPlan): string[][] {
  const waves: string[][] = [];
  for (let next = 0; next < databases.length; ) {
    const size = next === 0 && canary > 0 ? canary : wave || databases.length;
    waves.push(databases.slice(next, next + size));
    next += size;
  }
  return waves;
}

/** Why a rollout stops by itself; null while it may continue. */
function haltReason(plan: RolloutPlan, { outcomes, accepted }: RolloutProgress): string | null {
  const failed = [...outcomes.values()].filter(({ result }) => result === 'failed');
  const isCanary = new Set(plan.databases.slice(0, plan.canary));
  const count = failed.length - accepted;
  if (count <= 0) return null;
  if (failed.some(({ database }, index) => index >= accepted && isCanary.has(database)))
    return 'a database of the canary failed';
  return count > plan.max_failures
    ? `${count} databases failed, more than ${plan.max_failures} are not accepted`
    : null;
}

/** One in a hundred databases, and at least one. */
export function defaultMaxFailures(databases: number): number {
  return Math.max(1, Math.floor(databases / 100));
}

const ENDED: ReadonlySet<RolloutStatus> = new Set(['aborted', 'done']);

/** @throws FathomError `conflict` while a rollout continues, or changes and watches databases after an abort */
export function requireEnd({ plan: { id, target }, state: { status }, active }: CurrentRollout): void {
  if (!ENDED.has(status))
    throw new FathomError(
      'conflict',
      `the rollout ${id} of ${target} is ${status}; wait for its end, or run 'fathomd pocketbase abort'`,
    );
  if (active.size > 0)
    throw new FathomError(
      'conflict',
      `the rollout ${id} of ${target} is ${status} and still changes or watches ${[...active].join(', ')}; try again when 'fathomd pocketbase status --follow' has ended`,
    );
}

/** How a rollout is shown. */
export function describeRollout({ plan, state, outcomes, active, watched }: CurrentRollout): Rollout {
  const all = [...outcomes.values()];
  const count = (result: RolloutOutcome['result']) => all.filter((one) => one.result === result).length;
  const waves = wavesOf(plan);
  const wave = waves.findIndex((names) => names.some((name) => !outcomes.has(name)));
  const times = all.flatMap(({ unanswered_ms }) => unanswered_ms ?? []);
  return {
    id: plan.id,
    kind: plan.kind,
    target: plan.target,
    status: state.status,
    reason: state.reason,
    started_at: plan.started_at,
    total: plan.databases.length,
    changed: count('changed'),
    failed: count('failed'),
    skipped: count('skipped'),
    wave: wave === -1 ? waves.length : wave + 1,
    waves: waves.length,
    active: [...active].map((name) => ({ name, watched: watched.has(name) })),
    problems: all.flatMap(({ database, result, at, message }) =>
      result === 'changed' ? [] : [{ name: database, result, at, message: message ?? '' }],
    ),
    longest_unanswered_ms: times.length === 0 ? null : Math.max(...times),
  };
}
