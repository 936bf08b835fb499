import type { AuditEntry } from './audit.ts';
import type { FleetEvent, LogLine } from './events.ts';
import type { Instance } from './instance.ts';
import type { HealthSnapshot, QueueSnapshot } from './status.ts';

type FrameId = number | string;

/** The state of a topic at `seq`. Each event that follows has the next number. */
export type SnapshotFrame = { type: 'snapshot'; seq: number } & (
  | { topic: 'instances'; data: Instance[] }
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

/** The frames that the daemon sends over the stream. */
export type ServerFrame =
  | SnapshotFrame
  | EventFrame
  | { type: 'ok'; id: FrameId }
  | { type: 'error'; id: FrameId | null; code: string; message: string }
  | { type: 'pong'; id: FrameId };
