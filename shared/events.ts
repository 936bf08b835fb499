import type { AuditEntry } from './audit.ts';
import type { Instance, InstancePhase, LastExit, Probe, Usage } from './instance.ts';
import type { QueueStats, TaskSummary } from './task.ts';

/** Everything that can happen in the fleet, told once; the stream, the metrics and the console all read this. */
export type FleetEvent =
  /** An instance became known: at start, or by provisioning. */
  | { kind: 'instance.added'; instance: Instance }
  /** An instance entered another phase. `instance` is its whole state after the change. */
  | {
      kind: 'instance.phase';
      name: string;
      from: InstancePhase;
      to: InstancePhase;
      at: string;
      instance: Instance;
    }
  /** Something other than the phase changed (address, desired state). */
  | { kind: 'instance.changed'; name: string; instance: Instance }
  /** It runs on another port than before: `from` was taken by something else. */
  | { kind: 'instance.moved'; name: string; from: number; to: number; at: string }
  /** The database was deleted. */
  | { kind: 'instance.removed'; name: string }
  /** A liveness probe ended. */
  | { kind: 'instance.probe'; name: string; probe: Probe }
  /** What an instance uses of the host was sampled. */
  | { kind: 'instance.usage'; name: string; usage: Usage }
  /** What the daemon itself uses, and the fleet in sum. */
  | { kind: 'daemon.usage'; usage: DaemonUsage }
  /** A task of the queue was added, or changed; its state afterwards. */
  | { kind: 'queue.task'; task: TaskSummary }
  /** The queue at a glance, after tasks changed or it was paused. */
  | { kind: 'queue.stats'; stats: QueueStats }
  /** Somebody did something; for those who may read the audit log. */
  | { kind: 'audit.entry'; entry: AuditEntry }
  /** One line that an instance printed. */
  | { kind: 'log.line'; name: string; line: LogLine };

export interface DaemonUsage {
  at: string;
  rss_bytes: number;
  cpu_percent: number | null;
  event_loop_delay_ms: number;
  load_1m: number;
  memory_free_bytes: number;
  /** On the fullest disk that Fathom writes to: of its data, its databases, its logs. */
  disk_free_bytes: number | null;
  /** A directory on that disk. */
  disk_path: string | null;
}

export interface LogLine {
  /** When the daemon read it; for lines from before, what PocketBase stamped on them or on a line before. */
  at: string;
  text: string;
  /** The byte of the whole log after this line, from which a subscription goes on; absent where it is not known. */
  position?: number;
  /** The run that begins with this line, in a snapshot: of those that the daemon has started. */
  run?: LogRun;
  /** From PocketBase's own log of requests, mails and jobs; absent for what the process printed. */
  source?: 'requests';
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevelName = (typeof LOG_LEVELS)[number];

export const LOG_SOURCES = ['all', 'output', 'requests'] as const;

/** What a process printed, what PocketBase logged of requests, mails and jobs, or both by time. */
export type LogSource = (typeof LOG_SOURCES)[number];

/** A run of an instance, as it was when its process was started. */
export interface LogRun {
  pid: number;
  started_at: string;
  /** As in `Instance`: null for one that an earlier daemon started. */
  run: number | null;
  /** How the one before ended. */
  last_exit: LastExit | null;
}

/** The end of a log. */
export interface LogTail {
  lines: Pick<LogLine, 'at' | 'text' | 'source'>[];
  /** After the last complete line: where a subscription goes on. */
  position: number;
  /** The last line is still being written. */
  partial: boolean;
}

export type Topic = 'instances' | 'health' | 'queue' | 'audit' | `logs:${string}`;

/** Events with the same key replace each other for a reader that is behind; null must be delivered one by one. */
export function coalesceKey(event: FleetEvent): string | null {
  switch (event.kind) {
    case 'instance.probe':
    case 'instance.usage':
      return `${event.kind}:${event.name}`;
    case 'daemon.usage':
    case 'queue.stats':
      return event.kind;
    case 'queue.task':
      return `${event.kind}:${event.task.id}`;
    case 'instance.phase':
    case 'instance.changed':
    case 'instance.added':
    case 'instance.removed':
    case 'instance.moved':
    case 'log.line':
    case 'audit.entry':
      return null;
  }
}

/** The topic on which an event is told. */
export function topicOf(event: FleetEvent): Topic {
  switch (event.kind) {
    case 'instance.added':
    case 'instance.phase':
    case 'instance.changed':
    case 'instance.removed':
    case 'instance.moved':
      return 'instances';
    case 'instance.probe':
    case 'instance.usage':
    case 'daemon.usage':
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
