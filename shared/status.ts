import type { DaemonUsage } from './events.ts';
import type { InstancePhase, Probe, Usage } from './instance.ts';
import type { QueueStats, TaskCounts, TaskSummary } from './task.ts';

/** The state of the daemon: `GET /api/v1/status`. */
export interface DaemonStatus {
  version: string;
  protocol: number;
  pid: number;
  started_at: string;
  /** True once the global PocketBase answers and the instances are being started. */
  ready: boolean;
  /** What the daemon waits for while it is not ready; otherwise null. */
  waiting_for: string | null;
  api_url: string;
  global_url: string;
  data_dir: string;
  pocketbase_version: string;
  /** Path of the executable. */
  pocketbase_path: string;
  instances: Record<InstancePhase, number>;
  total_instances: number;
  /** Null while the global PocketBase does not answer. */
  queue: TaskCounts | null;
  queue_paused: boolean | null;
  usage: DaemonUsage | null;
  /** Lines of the daemon's own log that were lost since its start, and why writing fails now, or null. */
  log: { dropped: number; problem: string | null };
  /** Names of the permissions that the caller has for everything, not only for its own things. */
  permissions: string[];
}

/** Snapshot of the topic `health`. */
export interface HealthSnapshot {
  daemon: DaemonUsage | null;
  instances: Record<string, { probe: Probe | null; usage: Usage | null }>;
}

/** Snapshot of the topic `queue`: the running tasks and the last changed ones. */
export interface QueueSnapshot {
  /** Null for callers that are not administrators. */
  stats: QueueStats | null;
  tasks: TaskSummary[];
}
