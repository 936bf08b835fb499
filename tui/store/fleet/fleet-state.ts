import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { DaemonStatus, DaemonUsage } from '../../../shared/api/daemon.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { Rollout } from '../../../shared/api/rollouts.ts';
import type { LinkState } from '../../../shared/client/stream-link.ts';
import type { FleetEvent, Topic } from '../../../shared/events.ts';
import type { SnapshotFrame } from '../../../shared/server-frames.ts';
import type { ActionLine } from '../actions/action-line.ts';
import type { OpenLog } from '../logs/open-log.ts';
import type { PageState, Pages, Slot } from '../pages/pages.ts';
import type { QueueState } from '../queue/queue-state.ts';

/** Everything that the console knows about the daemon and its fleet. Immutable: changes create a new state. */
export interface FleetState {
  /** Milliseconds since 1970. Updated every second, for ages and countdowns. */
  now: number;
  link: LinkState;
  /** Time of the last snapshot of the instances; null before the first one. */
  snapshot_at: number | null;
  instances: ReadonlyMap<string, Instance>;
  /** Names that the parts of a snapshot have had so far; null when it is complete. */
  partial: ReadonlySet<string> | null;
  status: DaemonStatus | null;
  /** Why the last request for the status failed; null if it succeeded. */
  status_problem: string | null;
  usage: DaemonUsage | null;
  /** The rollout in progress or the last one; null before the first one. */
  rollout: Rollout | null;
  history: FleetHistory;
  log: OpenLog | null;
  /** Null while no screen shows it. */
  queue: QueueState | null;
  pages: Pages;
  /** The newest entries of the audit log, oldest first; null while no screen shows it. */
  audit: readonly AuditEntry[] | null;
  /** Events of instances since the start of this console, oldest first. */
  journal: readonly JournalEntry[];
  /** By topic: why the daemon refuses to send it. */
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
  /** Number of pending and processing tasks. */
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
  | { kind: 'topic.refused'; topic: string; message: string }
  | { kind: 'topic.left'; topic: Topic }
  | { kind: 'page'; slot: Slot; page: PageState | null };

export function initialState(now: number): FleetState {
  return {
    now,
    link: { kind: 'connecting' },
    snapshot_at: null,
    instances: new Map(),
    partial: null,
    status: null,
    status_problem: null,
    usage: null,
    rollout: null,
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

/** Why the list of instances may be incomplete: the daemon is still starting. Null if it is ready. */
export function notReadyYet({ status }: FleetState): string | null {
  if (status === null || status.ready) return null;
  return `This list is incomplete: the daemon is not ready and waits for ${status.waiting_for ?? 'its start'}.`;
}

const cache = new WeakMap<ReadonlyMap<string, Instance>, Map<string, Instance>>();

/** The instance of a user. Uses an index that is cached for each state of the fleet. */
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

/** Id of the last action of this console that has ended; 0 without one. Lists that it may have changed are loaded again. */
export function lastEndedAction({ actions }: Pick<FleetState, 'actions'>): number {
  return actions.findLast(({ ended_at }) => ended_at !== null)?.id ?? 0;
}
