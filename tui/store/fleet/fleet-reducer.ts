import type { AuditEntry } from '../../../shared/api/audit.ts';
import type { DaemonUsage } from '../../../shared/api/daemon.ts';
import type { JournalEntry } from '../../../shared/api/events.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { QueueStats, TaskSummary } from '../../../shared/api/queue.ts';
import type { FleetEvent, Topic } from '../../../shared/events.ts';
import { journalEntryOf } from '../../../shared/journal.ts';
import type { HealthSnapshot, SnapshotFrame } from '../../../shared/server-frames.ts';
import type { ActionLine } from '../actions/action-line.ts';
import type { LogEntry } from '../logs/log-buffer.ts';
import {
  entryOf,
  openLog,
  runStart,
  withCurrentRun,
  withLogLines,
  withRefusal,
  withSnapshot,
} from '../logs/open-log.ts';
import { queueFromSnapshot, withTasks } from '../queue/queue-state.ts';
import { sanitise, sanitiseAll } from '../text/sanitise.ts';
import type { FleetChange, FleetHistory, FleetState, History } from './fleet-state.ts';

const MAX_ACTIONS = 50;
/** Maximum entries of the audit log, and of the journal. */
const MAX_ENTRIES = 1_000;
/** Maximum measurements of each value. */
const MAX_SAMPLES = 240;

/** Applies a change; a pure function. All data from the daemon is sanitised here, and only here. */
export function reduceFleet(state: FleetState, change: FleetChange): FleetState {
  switch (change.kind) {
    case 'tick':
      return { ...state, now: change.now };
    case 'link':
      return { ...state, link: sanitiseAll(change.link), now: change.now };
    case 'snapshot':
      return applySnapshot({ ...state, now: change.now }, change.frame);
    case 'events':
      return applyEvents({ ...state, now: change.now }, change.events);
    case 'status':
      return {
        ...state,
        status: sanitiseAll(change.status),
        status_problem: null,
        usage: state.usage ?? change.status.usage,
      };
    case 'status.failed':
      return { ...state, status_problem: sanitise(change.message) };
    case 'action':
      return { ...state, actions: withAction(state.actions, change.action) };
    case 'log.open':
      return { ...state, log: openLog(state.log, change.names) };
    case 'log.refused':
      return { ...state, log: withRefusal(state.log, change.name, sanitise(change.message)) };
    case 'log.close':
      return { ...state, log: null };
    case 'topic.refused': {
      const refusals = { ...state.refusals, [change.topic]: sanitise(change.message) };
      return { ...state, refusals };
    }
    case 'topic.left':
      return leaveTopic(state, change.topic);
    case 'page':
      return { ...state, pages: { ...state.pages, [change.slot]: change.page ?? undefined } };
  }
}

/** Removes the data of a topic that is not followed any more, because it becomes outdated. */
function leaveTopic(state: FleetState, topic: Topic): FleetState {
  return {
    ...withoutRefusal(state, topic),
    queue: topic === 'queue' ? null : state.queue,
    audit: topic === 'audit' ? null : state.audit,
  };
}

function applySnapshot(state: FleetState, frame: SnapshotFrame): FleetState {
  switch (frame.topic) {
    case 'instances':
      return applyInstances(state, frame);
    case 'audit':
      return { ...withoutRefusal(state, 'audit'), audit: sanitiseAll(frame.data).slice(-MAX_ENTRIES) };
    case 'health':
      return applyHealth(state, frame.data);
    case 'queue':
      return { ...withoutRefusal(state, 'queue'), queue: queueFromSnapshot(frame.data, state.queue) };
    default: {
      const name = frame.topic.slice('logs:'.length);
      const log = withSnapshot(state.log, name, sanitiseAll(frame.data));
      return { ...state, log: withCurrentRun(log, state.instances.get(name)) };
    }
  }
}

/** Instances of earlier snapshots stay until the last part, so that the list does not shrink meanwhile. */
function applyInstances(
  state: FleetState,
  { data, part = 1, last = true }: Extract<SnapshotFrame, { topic: 'instances' }>,
): FleetState {
  const isWhole = part === 1 && last;
  const instances = new Map(isWhole ? [] : state.instances);
  const names = new Set(part === 1 ? [] : state.partial);
  for (const instance of sanitiseAll(data)) {
    instances.set(instance.name, instance);
    names.add(instance.name);
  }
  if (last) for (const name of instances.keys()) if (!names.has(name)) instances.delete(name);
  return { ...state, instances, partial: last ? null : names, snapshot_at: state.now };
}

/** An instance that was added between two parts of a snapshot is not in the later ones. */
function withAdded(
  partial: ReadonlySet<string> | null,
  events: readonly FleetEvent[],
): FleetState['partial'] {
  if (partial === null) return null;
  const added = events.flatMap((event) => (event.kind === 'instance.added' ? [event.instance.name] : []));
  return added.length === 0 ? partial : new Set([...partial, ...added]);
}

function withoutRefusal(state: FleetState, topic: Topic): FleetState {
  const { [topic]: _, ...refusals } = state.refusals;
  return { ...state, refusals };
}

function applyHealth(state: FleetState, health: HealthSnapshot): FleetState {
  const instances = new Map(state.instances);
  for (const [name, { probe, usage }] of Object.entries(health.instances)) {
    const known = instances.get(name);
    if (known === undefined) continue;
    instances.set(name, {
      ...known,
      probe: sanitiseAll(probe) ?? known.probe,
      usage: usage ?? known.usage,
    });
  }
  return { ...state, instances, usage: health.daemon ?? state.usage, rollout: sanitiseAll(health.rollout) };
}

/** Copies the map of instances once per batch of events. */
function applyEvents(state: FleetState, events: readonly FleetEvent[]): FleetState {
  const instances = new Map(state.instances);
  const lines: LogEntry[] = [];
  const tasks: TaskSummary[] = [];
  const audited: AuditEntry[] = [];
  const happened: JournalEntry[] = [];
  const at = new Date(state.now).toISOString();
  let stats: QueueStats | null = null;
  let { usage, history, rollout } = state;
  for (const event of events) {
    const entry = journalEntryOf(event, at);
    if (entry !== null) happened.push(sanitiseAll(entry));
    switch (event.kind) {
      case 'instance.added':
      case 'instance.phase':
      case 'instance.changed': {
        const instance = sanitiseAll(event.instance);
        const run = runStart(instances.get(instance.name), instance, state.now);
        if (run !== null) lines.push(run);
        instances.set(instance.name, instance);
        break;
      }
      case 'audit.entry':
        audited.push(sanitiseAll(event.entry));
        break;
      case 'instance.moved':
        // Only a journal entry: the new port arrives with the next phase.
        break;
      case 'instance.wake':
        break;
      case 'instance.removed':
        instances.delete(event.name);
        break;
      case 'instance.probe':
        merge(instances, event.name, { probe: sanitiseAll(event.probe) });
        break;
      case 'instance.usage':
        merge(instances, event.name, { usage: event.usage });
        break;
      case 'daemon.usage':
        usage = event.usage;
        history = sample(history, event.usage, instances, depthOf(state));
        break;
      case 'log.line':
        lines.push(entryOf(event.name, sanitiseAll(event.line)));
        break;
      case 'queue.task':
        tasks.push(event.task);
        break;
      case 'queue.stats':
        stats = event.stats;
        break;
      case 'rollout.changed':
        rollout = sanitiseAll(event.rollout);
        break;
    }
  }
  const isUnchanged = tasks.length === 0 && stats === null;
  const queue = state.queue === null || isUnchanged ? state.queue : withTasks(state.queue, tasks, stats);
  return {
    ...state,
    instances,
    partial: withAdded(state.partial, events),
    usage,
    rollout,
    history,
    queue,
    log: withLogLines(state.log, lines),
    audit: state.audit === null ? null : withEntries(state.audit, audited),
    journal: withEntries(state.journal, happened),
  };
}

function withEntries<T>(entries: readonly T[], added: readonly T[]): readonly T[] {
  return added.length === 0 ? entries : [...entries, ...added].slice(-MAX_ENTRIES);
}

function merge(instances: Map<string, Instance>, name: string, part: Partial<Instance>): void {
  const known = instances.get(name);
  if (known !== undefined) instances.set(name, { ...known, ...part });
}

function sample(
  history: FleetHistory,
  usage: DaemonUsage,
  instances: ReadonlyMap<string, Instance>,
  depth: number,
): FleetHistory {
  const fleet = fleetUsage(instances);
  return {
    fleet_cpu: append(history.fleet_cpu, fleet.cpu_percent),
    fleet_memory: append(history.fleet_memory, fleet.pss_bytes),
    daemon_cpu: append(history.daemon_cpu, usage.cpu_percent ?? 0),
    daemon_memory: append(history.daemon_memory, usage.rss_bytes),
    queue_depth: append(history.queue_depth, depth),
  };
}

function append(history: History, value: number): History {
  return [...history, value].slice(-MAX_SAMPLES);
}

/** Number of pending and processing tasks; 0 if unknown. */
function depthOf({ queue, status }: FleetState): number {
  const counts = queue?.stats?.counts ?? status?.queue ?? null;
  return counts === null ? 0 : counts.pending + counts.processing;
}

/** The sum of the usage of all instances: percent of one core, and bytes. */
export function fleetUsage(instances: ReadonlyMap<string, Instance>): {
  cpu_percent: number;
  pss_bytes: number;
} {
  let cpu_percent = 0;
  let pss_bytes = 0;
  for (const { usage, pid } of instances.values()) {
    if (usage === null || pid === null) continue;
    cpu_percent += usage.cpu_percent ?? 0;
    pss_bytes += usage.pss_bytes ?? 0;
  }
  return { cpu_percent, pss_bytes };
}

function withAction(actions: readonly ActionLine[], action: ActionLine): readonly ActionLine[] {
  const others = actions.filter(({ id }) => id !== action.id);
  return [...others, action].toSorted((a, b) => a.id - b.id).slice(-MAX_ACTIONS);
}
