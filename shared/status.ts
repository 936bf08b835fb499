import type { DaemonUsage } from './events.ts';
import type { InstancePhase, Probe, Usage } from './instance.ts';
import type { QueueStats, TaskCounts, TaskSummary } from './task.ts';

/** `GET /api/v1/status`: the daemon at a glance. */
export interface DaemonStatus {
  version: string;
  protocol: number;
  pid: number;
  started_at: string;
  /** False until the global PocketBase answers and the fleet's start has begun. */
  ready: boolean;
  /** What is being waited for while not ready, or null. */
  waiting_for: string | null;
  api_url: string;
  global_url: string;
  data_dir: string;
  pocketbase_version: string;
  /** The executable. */
  pocketbase_path: string;
  instances: Record<InstancePhase, number>;
  total_instances: number;
  /** Null while the global PocketBase cannot be read. */
  queue: TaskCounts | null;
  queue_paused: boolean | null;
  usage: DaemonUsage | null;
  /** Log lines of the daemon that could not be written, since it started; and why none can be now, or null. */
  log: { dropped: number; problem: string | null };
  /** What the caller may do, whoever it belongs to: names of the table of permissions. */
  permissions: string[];
}

/** Snapshot of the topic `health`. */
export interface HealthSnapshot {
  daemon: DaemonUsage | null;
  instances: Record<string, { probe: Probe | null; usage: Usage | null }>;
}

/** Snapshot of the topic `queue`: what runs, and what changed last. */
export interface QueueSnapshot {
  /** Null for whoever is no administrator. */
  stats: QueueStats | null;
  tasks: TaskSummary[];
}
