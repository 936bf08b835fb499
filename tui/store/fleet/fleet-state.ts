import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { DaemonStatus, DaemonUsage } from '../../../shared/api/daemon.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { LinkState } from '../../../shared/client/stream-link.ts';
import type { FleetEvent, Topic } from '../../../shared/events.ts';
import type { SnapshotFrame } from '../../../shared/server-frames.ts';
import type { ActionLine } from '../actions/action-line.ts';
import type { OpenLog } from '../logs/open-log.ts';
import type { PageState, Pages, Slot } from '../pages/pages.ts';
import type { QueueState } from '../queue/queue-state.ts';

/** Everything the console knows; replaced as a whole, never changed in place. */
export interface FleetState {
  /** Milliseconds since 1970; moves on every second, so that ages and countdowns do. */
  now: number;
  link: LinkState;
  /** When the last snapshot of the instances came; null while nothing has been seen. */
  snapshot_at: number | null;
  instances: ReadonlyMap<string, Instance>;
  status: DaemonStatus | null;
  /** Why the last look at the status failed; null when it did not. */
  status_problem: string | null;
  usage: DaemonUsage | null;
  history: FleetHistory;
  log: OpenLog | null;
  /** Null while nobody looks at it. */
  queue: QueueState | null;
  pages: Pages;
  /** The latest of the audit log, oldest first; null while nobody looks at it. */
  audit: readonly AuditEntry[] | null;
  /** What has happened to instances since this console was opened, oldest first. */
  journal: readonly JournalEntry[];
  /** By topic, why the daemon does not tell it. */
  refusals: Readonly<Record<string, string>>;
  actions: readonly ActionLine[];
}

/** The last measurements of one value, oldest first. */
export type History = readonly number[];

/** CPU in percent of one core, memory in bytes; one sample per `daemon.usage`. */
export interface FleetHistory {
  fleet_cpu: History;
  fleet_memory: History;
  daemon_cpu: History;
  daemon_memory: History;
  /** Tasks that wait or run. */
  queue_depth: History;
}

export type FleetChange =
  | { kind: 'tick'; now: number }
  | { kind: 'link'; link: LinkState; now: number }
  | { kind: 'snapshot'; frame: SnapshotFrame; now: number }
  | { kind: 'events'; events: readonly FleetEvent[]; now: number }
  | { kind: 'status'; status: DaemonStatus }
  | { kind: 'status.failed'; message: string }
  | { kind: 'action'; action: ActionLine }
  | { kind: 'log.open'; names: readonly string[] }
  | { kind: 'log.refused'; name: string; message: string }
  | { kind: 'log.close' }
  | { kind: 'topic.refused'; topic: Topic; message: string }
  | { kind: 'topic.left'; topic: Topic }
  | { kind: 'page'; slot: Slot; page: PageState | null };

export function initialState(now: number): FleetState {
  return {
    now,
    link: { kind: 'connecting' },
    snapshot_at: null,
    instances: new Map(),
    status: null,
    status_problem: null,
    usage: null,
    history: { fleet_cpu: [], fleet_memory: [], daemon_cpu: [], daemon_memory: [], queue_depth: [] },
    log: null,
    queue: null,
    pages: {},
    audit: null,
    journal: [],
    refusals: {},
    actions: [],
  };
}

/** Why nothing may be concluded from what is missing: the daemon does not know its fleet yet. Null when it does. */
export function notReadyYet({ status }: FleetState): string | null {
  if (status === null || status.ready) return null;
  return `The daemon is not ready, so this is not all: it waits for ${status.waiting_for ?? 'its start'}.`;
}

const cache = new WeakMap<ReadonlyMap<string, Instance>, Map<string, Instance>>();

/** The instance of a user; looked up in an index that is made once for each state of the fleet. */
export function instanceOfUser(
  instances: ReadonlyMap<string, Instance>,
  user: string | null,
): Instance | null {
  if (user === null) return null;
  let index = cache.get(instances);
  if (index === undefined) {
    index = new Map();
    for (const instance of instances.values()) {
      if (instance.user_id !== null) index.set(instance.user_id, instance);
    }
    cache.set(instances, index);
  }
  return index.get(user) ?? null;
}
