import type { PhaseReasonCode } from './reasons.ts';

/**
 * An instance is one PocketBase process and its observed state.
 *
 *   stopped ──▶ queued ──▶ starting ──▶ running ◀──▶ unresponsive
 *      ▲          ▲  ▲         │           │              │
 *      │          │  └─ backing_off ◀──────┴──────────────┘
 *   stopping ◀────┼──── (any phase with a process)
 *                 └──── failed (no more attempts; only an administrator or force_restart starts it)
 *
 *   stopping ──▶ asleep ──▶ waking ──▶ running
 *
 * A `queued` instance waits for a start slot. An instance that exits after a stable run is queued at once; after a
 * short run it backs off first. An `asleep` instance has no process; the next connection wakes it.
 */
export const INSTANCE_PHASES = [
  'stopped',
  'queued',
  'starting',
  'running',
  'unresponsive',
  'backing_off',
  'stopping',
  'asleep',
  'waking',
  'failed',
] as const;

export type InstancePhase = (typeof INSTANCE_PHASES)[number];

export const PHASE_TRANSITIONS: Readonly<Record<InstancePhase, readonly InstancePhase[]>> = {
  stopped: ['queued', 'asleep', 'failed'],
  queued: ['starting', 'running', 'backing_off', 'failed', 'stopping', 'stopped', 'asleep'],
  starting: ['running', 'queued', 'backing_off', 'failed', 'stopping'],
  running: ['unresponsive', 'queued', 'backing_off', 'failed', 'stopping'],
  unresponsive: ['running', 'queued', 'backing_off', 'failed', 'stopping'],
  backing_off: ['queued', 'failed', 'stopped'],
  stopping: ['stopped', 'queued', 'asleep'],
  asleep: ['waking', 'queued', 'failed', 'stopped'],
  waking: ['running', 'queued', 'backing_off', 'failed', 'stopping', 'stopped', 'asleep'],
  failed: ['queued', 'stopped'],
};

/** Phases in which an instance has no process. One that is `queued` gets it at once. */
export const WITHOUT_PROCESS: ReadonlySet<InstancePhase> = new Set([
  'stopped',
  'asleep',
  'failed',
  'backing_off',
]);

export function canTransition(from: InstancePhase, to: InstancePhase): boolean {
  return PHASE_TRANSITIONS[from].includes(to);
}

/** What wakes a sleeping database. */
export const WAKE_CAUSES = ['connection', 'sign_in', 'task', 'schedule', 'backup', 'command'] as const;

export type WakeCause = (typeof WAKE_CAUSES)[number];

export const ENDED_BY = ['request', 'fathomd'] as const;
export type EndedBy = (typeof ENDED_BY)[number] | null;

/** Reasons for which the daemon lets an instance sleep. */
const SLEEP_REASONS: ReadonlySet<PhaseReasonCode> = new Set([
  'idle',
  'awake_limit',
  'host_memory',
  'archived',
]);

/** Whether the daemon lets an instance sleep for this reason. */
export function isSleepReason(reason: { code: PhaseReasonCode } | null): boolean {
  return reason !== null && SLEEP_REASONS.has(reason.code);
}

/** Whether an instance should run but does not work as it should, for example because its disk is full. */
export function isInTrouble({
  desired,
  phase,
  reason,
}: {
  desired: 'running' | 'stopped';
  phase: InstancePhase;
  reason: { code: PhaseReasonCode } | null;
}): boolean {
  if (desired !== 'running' || phase === 'asleep' || reason?.code === 'requested') return false;
  if (isSleepReason(reason)) return false;
  return phase === 'failed' || phase === 'unresponsive' || reason !== null;
}

/** Whether connections reach the instance, at once or after it has fallen asleep and was woken. */
export function isAvailable({
  phase,
  reason,
}: {
  phase: InstancePhase;
  reason: { code: PhaseReasonCode } | null;
}): boolean {
  if (phase === 'stopping') return isSleepReason(reason);
  return phase === 'running' || phase === 'asleep' || phase === 'waking';
}

/** The four states of the lifecycle API, kept for existing clients. */
export const LIFECYCLE_STATUSES = ['Starting', 'Running', 'Failed', 'Stopped'] as const;

type LifecycleStatus = (typeof LIFECYCLE_STATUSES)[number];

const LIFECYCLE: Readonly<Record<InstancePhase, LifecycleStatus>> = {
  stopped: 'Stopped',
  queued: 'Starting',
  starting: 'Starting',
  running: 'Running',
  unresponsive: 'Failed',
  backing_off: 'Starting',
  stopping: 'Stopped',
  asleep: 'Stopped',
  waking: 'Starting',
  failed: 'Failed',
};

export function lifecycleStatus(phase: InstancePhase): LifecycleStatus {
  return LIFECYCLE[phase];
}
