import type { AuditEntry } from './api/audit.ts';
import type { DaemonUsage } from './api/daemon.ts';
import type { Instance, LastExit, Probe, Usage } from './api/instances.ts';
import type { QueueStats, TaskSummary } from './api/queue.ts';
import type { Rollout } from './api/rollouts.ts';
import type { InstancePhase, WakeCause } from './instance.ts';

/** Everything that can happen in the fleet. The stream, the metrics and the console read these events. */
export type FleetEvent =
  /** An instance was added: at the start of the daemon, or by provisioning. */
  | { kind: 'instance.added'; instance: Instance }
  /** An instance changed its phase. `instance` is its complete state after the change. */
  | {
      kind: 'instance.phase';
      name: string;
      from: InstancePhase;
      to: InstancePhase;
      at: string;
      instance: Instance;
    }
  /** A sleeping instance begins to start. */
  | { kind: 'instance.wake'; name: string; by: WakeCause; at: string }
  /** Another field than the phase changed (address, desired state). */
  | { kind: 'instance.changed'; name: string; instance: Instance }
  /** The instance runs on a new port because another program uses the port `from`. */
  | { kind: 'instance.moved'; name: string; from: number; to: number; at: string }
  /** The database was deleted. */
  | { kind: 'instance.removed'; name: string }
  /** A liveness probe ended. */
  | { kind: 'instance.probe'; name: string; probe: Probe }
  /** The resource usage of an instance was measured. */
  | { kind: 'instance.usage'; name: string; usage: Usage }
  /** The resource usage of the daemon and its host was measured. */
  | { kind: 'daemon.usage'; usage: DaemonUsage }
  /** A queue task was added or changed. `task` is its state after the change. */
  | { kind: 'queue.task'; task: TaskSummary }
  /** The state of the queue, after tasks changed or the queue was paused or resumed. */
  | { kind: 'queue.stats'; stats: QueueStats }
  /** A rollout began, continued or ended. `rollout` is its state after the change. */
  | { kind: 'rollout.changed'; rollout: Rollout }
  /** An entry was added to the audit log. Only sent to clients that may read it. */
  | { kind: 'audit.entry'; entry: AuditEntry }
  /** One line that an instance printed. */
  | { kind: 'log.line'; name: string; line: LogLine };

export interface LogLine {
  /** When the daemon read the line. For older lines: the timestamp that PocketBase wrote on it or on a line before. */
  at: string;
  text: string;
  /** Byte offset in the log after this line: a subscription continues from it. Absent if unknown. */
  position?: number;
  /** Snapshots only: the run that starts with this line, if this daemon started it. */
  run?: LogRun;
  /** `requests`: from PocketBase's own log of requests, mails and jobs. Absent: printed by the process. */
  source?: 'requests';
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevelName = (typeof LOG_LEVELS)[number];

export const LOG_SOURCES = ['all', 'output', 'requests'] as const;

/** `output`: printed by the process. `requests`: PocketBase's log of requests, mails and jobs. `all`: both, by time. */
export type LogSource = (typeof LOG_SOURCES)[number];

/** A run of an instance: from the start of its process to its exit. */
export interface LogRun {
  pid: number;
  started_at: string;
  /** Number of the run, as in `Instance`; null if an earlier daemon started it. */
  run: number | null;
  /** The exit of the previous run. */
  last_exit: LastExit | null;
}

export type Topic = 'instances' | 'health' | 'queue' | 'audit' | `logs:${string}`;

/** For a slow reader, an event replaces an earlier one with the same key. Events with null are all delivered. */
export function coalesceKey(event: FleetEvent): string | null {
  switch (event.kind) {
    case 'instance.probe':
    case 'instance.usage':
      return `${event.kind}:${event.name}`;
    case 'daemon.usage':
    case 'queue.stats':
    case 'rollout.changed':
      return event.kind;
    case 'queue.task':
      return `${event.kind}:${event.task.id}`;
    case 'instance.phase':
    case 'instance.changed':
    case 'instance.added':
    case 'instance.removed':
    case 'instance.moved':
    case 'instance.wake':
    case 'log.line':
    case 'audit.entry':
      return null;
  }
}

/** The topic on which an event is sent. */
export function topicOf(event: FleetEvent): Topic {
  switch (event.kind) {
    case 'instance.added':
    case 'instance.phase':
    case 'instance.changed':
    case 'instance.removed':
    case 'instance.moved':
    case 'instance.wake':
      return 'instances';
    case 'instance.probe':
    case 'instance.usage':
    case 'daemon.usage':
    case 'rollout.changed':
      return 'health';
    case 'queue.task':
    case 'queue.stats':
      return 'queue';
    case 'audit.entry':
      return 'audit';
    case 'log.line':
      return `logs:${event.name}`;
  }
}
