import type { AuditEntry } from './api/audit.ts';
import type { DaemonUsage } from './api/daemon.ts';
import type { Instance, Probe, Usage } from './api/instances.ts';
import type { QueueStats, TaskSummary } from './api/queue.ts';
import type { Rollout } from './api/rollouts.ts';
import type { FleetEvent, LogLine } from './events.ts';
import type { InstancePhase } from './instance.ts';
import type { WorkEvent } from './work/events.ts';

/** Snapshot of the topic `health`. */
export interface HealthSnapshot {
  daemon: DaemonUsage | null;
  instances: Record<string, { probe: Probe | null; usage: Usage | null }>;
  /** The rollout in progress or the last one. Null before the first one, and for callers that may not see it. */
  rollout: Rollout | null;
}

/** Snapshot of the topic `queue`: the running tasks and the last changed ones. */
export interface QueueSnapshot {
  /** Null for callers that are not administrators. */
  stats: QueueStats | null;
  tasks: TaskSummary[];
}

type FrameId = number | string;

/** One of the frames of a snapshot that was asked for in parts. Events may come between them. */
export interface SnapshotPart {
  /** From 1. */
  part: number;
  /** Whether the snapshot is complete. */
  last: boolean;
}

/** The state of a topic at `seq`. Each event that follows has the next number. */
export type SnapshotFrame = { type: 'snapshot'; seq: number } & (
  | ({ topic: 'instances'; data: Instance[] } & Partial<SnapshotPart>)
  | { topic: 'audit'; data: AuditEntry[] }
  | { topic: 'health'; data: HealthSnapshot }
  | { topic: 'queue'; data: QueueSnapshot }
  | { topic: `logs:${string}`; data: LogLine[] }
);

export interface EventFrame {
  type: 'event';
  topic: string;
  seq: number;
  event: FleetEvent;
}

/**
 * Frames of the topic of a project in the own database. A snapshot says that everything before it is in what the API answers from
 * now on. While the database is in another phase than `running`, another one follows when it runs.
 */
export type WorkFrame =
  | { type: 'snapshot'; topic: `work:${string}`; seq: number; data: { phase: InstancePhase } }
  | { type: 'event'; topic: `work:${string}`; seq: number; event: WorkEvent };

/** The topic of a project in the own database, by its id. */
export type WorkTopic = WorkFrame['topic'];

/** A request that failed, or a subscription that has ended. */
export interface ErrorFrame {
  type: 'error';
  /** Of the request; null when none is the cause. */
  id: FrameId | null;
  /** Null when no topic is the cause, as of a frame that cannot be read. Daemons of before this field do not send it. */
  topic?: string | null;
  code: string;
  message: string;
}

/** The frames that the daemon sends over the stream, except for projects. */
export type ServerFrame =
  | SnapshotFrame
  | EventFrame
  | { type: 'ok'; id: FrameId }
  | ErrorFrame
  | { type: 'pong'; id: FrameId };
