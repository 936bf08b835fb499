/**
 * An instance is one PocketBase process and what is known of it.
 *
 *   stopped ──▶ queued ──▶ starting ──▶ running ◀──▶ unresponsive
 *      ▲          ▲  ▲         │           │              │
 *      │          │  └─ backing_off ◀──────┴──────────────┘
 *   stopping ◀────┼──── (any phase with a process)
 *                 └──── failed (the crash loop ended; needs a person, or force_restart)
 *
 * `queued` waits for one of the few start slots; a running instance that dies after a stable run goes back to
 * `queued` at once, otherwise it backs off first.
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

/** Why an instance is not simply running: one code for programs, one sentence for people. */
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

/** One that runs with these is a database as it was before the migrations. */
export const LACKS_MIGRATIONS: ReadonlySet<PhaseReasonCode | undefined> = new Set([
  'migration_failed',
  'migration_broken',
]);

export interface PhaseReason {
  code: PhaseReasonCode;
  /** One line for a person: what happened and, where there is one, what to do. */
  message: string;
  /** The last lines that the process printed, oldest first. */
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
   * `request`: a person, or the daemon's own end, asked for it. `fathomd`: the daemon ended it, as it hung or its files were
   * wrong; the reason says which. Null: it ended by itself, or somebody else ended it.
   */
  ended_by: EndedBy;
}

export interface Probe {
  at: string;
  ok: boolean;
  latency_ms: number;
  error: string | null;
}

/** What one instance uses of the host; null where it could not be read. */
export interface Usage {
  at: string;
  /** Proportional set size: the binary's shared pages are counted once over the fleet. */
  pss_bytes: number | null;
  /** Of one core, since the previous sample. */
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
  /** When the phase was entered. */
  since: string;
  desired: 'running' | 'stopped';
  /** Null when there is nothing to explain. */
  reason: PhaseReason | null;
  port: number | null;
  url: string | null;
  pid: number | null;
  /** When the process that runs now was started. */
  started_at: string | null;
  /** Unrequested exits since the daemon has known the instance. */
  restarts: number;
  /**
   * The number of the process that runs now, or ran last: each that this daemon starts gets the next one, whatever ended the
   * one before. Null when it has started none: what runs is an earlier daemon's.
   */
  run: number | null;
  /** Consecutive failed starts or short runs; 0 after a stable run. */
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

/** Should run, and does not serve as it should: also one that runs on a full disk. */
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
