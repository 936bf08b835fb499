/**
 * An instance is one PocketBase process and its observed state.
 *
 *   stopped ──▶ queued ──▶ starting ──▶ running ◀──▶ unresponsive
 *      ▲          ▲  ▲         │           │              │
 *      │          │  └─ backing_off ◀──────┴──────────────┘
 *   stopping ◀────┼──── (any phase with a process)
 *                 └──── failed (no more attempts; only an administrator or force_restart starts it)
 *
 * A `queued` instance waits for a start slot. An instance that exits after a stable run is queued at once; after a
 * short run it backs off first.
 */
export const INSTANCE_PHASES = [
  'stopped',
  'queued',
  'starting',
  'running',
  'unresponsive',
  'backing_off',
  'stopping',
  'failed',
] as const;

export type InstancePhase = (typeof INSTANCE_PHASES)[number];

export const PHASE_TRANSITIONS: Readonly<Record<InstancePhase, readonly InstancePhase[]>> = {
  stopped: ['queued', 'failed'],
  queued: ['starting', 'running', 'backing_off', 'failed', 'stopping', 'stopped'],
  starting: ['running', 'queued', 'backing_off', 'failed', 'stopping'],
  running: ['unresponsive', 'queued', 'backing_off', 'failed', 'stopping'],
  unresponsive: ['running', 'queued', 'backing_off', 'failed', 'stopping'],
  backing_off: ['queued', 'failed', 'stopped'],
  stopping: ['stopped', 'queued'],
  failed: ['queued', 'stopped'],
};

export function canTransition(from: InstancePhase, to: InstancePhase): boolean {
  return PHASE_TRANSITIONS[from].includes(to);
}

/** Codes of the reasons why an instance is not running normally. */
export const PHASE_REASON_CODES = [
  'requested',
  'exited',
  'killed',
  'start_timeout',
  'unresponsive',
  'port_in_use',
  'ports_exhausted',
  'migration_failed',
  'migration_broken',
  'hook_broken',
  'database_corrupt',
  'encryption_key_wrong',
  'secret_undecryptable',
  'data_dir_missing',
  'data_dir_replaced',
  'volume_missing',
  'data_dir_locked',
  'disk_full',
  'read_only',
  'permission_denied',
  'binary_missing',
  'binary_changed',
  'out_of_files',
  'spawn_failed',
  'provision_failed',
] as const;

export type PhaseReasonCode = (typeof PHASE_REASON_CODES)[number];

/** An instance that runs with one of these reasons runs without the new migrations. */
export const LACKS_MIGRATIONS: ReadonlySet<PhaseReasonCode | undefined> = new Set([
  'migration_failed',
  'migration_broken',
]);

export interface PhaseReason {
  code: PhaseReasonCode;
  /** One line: what happened and, if possible, what to do. */
  message: string;
  /** The last lines of the process's output, oldest first. */
  log_tail?: string[];
}

export const ENDED_BY = ['request', 'fathomd'] as const;
export type EndedBy = (typeof ENDED_BY)[number] | null;

export interface LastExit {
  code: number | null;
  signal: string | null;
  at: string;
  uptime_s: number;
  /**
   * `request`: an administrator or the shutdown of the daemon stopped it. `fathomd`: the daemon killed it because it hung
   * or its files were wrong; the reason says which. Null: it exited by itself, or another program killed it.
   */
  ended_by: EndedBy;
}

export interface Probe {
  at: string;
  ok: boolean;
  latency_ms: number;
  error: string | null;
}

/** The resource usage of one instance; null where it could not be read. */
export interface Usage {
  at: string;
  /** Proportional set size: shared pages of the binary count once for the whole fleet. */
  pss_bytes: number | null;
  /** Percent of one core since the previous measurement. */
  cpu_percent: number | null;
  disk_bytes: number | null;
  open_connections: number | null;
}

export interface Instance {
  name: string;
  kind: 'global' | 'user';
  user_id: string | null;
  email: string | null;
  phase: InstancePhase;
  /** Start of the current phase. */
  since: string;
  desired: 'running' | 'stopped';
  /** Null when there is nothing to explain. */
  reason: PhaseReason | null;
  port: number | null;
  url: string | null;
  pid: number | null;
  /** Start of the current process. */
  started_at: string | null;
  /** Number of unrequested exits since the daemon manages the instance. */
  restarts: number;
  /**
   * Number of the current or last run. Each start by this daemon increments it. Null if this daemon has not started the
   * instance: an earlier daemon started the current process.
   */
  run: number | null;
  /** Number of consecutive failed starts or short runs; 0 after a stable run. */
  attempt: number;
  max_attempts: number | null;
  next_attempt_at: string | null;
  last_exit: LastExit | null;
  created_at: string;
  db_path: string;
  pocketbase_version: string;
  probe: Probe | null;
  usage: Usage | null;
}

/** Whether an instance should run but does not work as it should, for example because its disk is full. */
export function isInTrouble({
  desired,
  phase,
  reason,
}: Pick<Instance, 'desired' | 'phase' | 'reason'>): boolean {
  if (desired !== 'running' || reason?.code === 'requested') return false;
  return phase === 'failed' || phase === 'unresponsive' || reason !== null;
}

/** The four states of the lifecycle API, kept for existing clients. */
export type LifecycleStatus = 'Starting' | 'Running' | 'Failed' | 'Stopped';

const LIFECYCLE: Readonly<Record<InstancePhase, LifecycleStatus>> = {
  stopped: 'Stopped',
  queued: 'Starting',
  starting: 'Starting',
  running: 'Running',
  unresponsive: 'Failed',
  backing_off: 'Starting',
  stopping: 'Stopped',
  failed: 'Failed',
};

export function lifecycleStatus(phase: InstancePhase): LifecycleStatus {
  return LIFECYCLE[phase];
}
