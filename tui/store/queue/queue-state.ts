import type { QueueStats, TaskSummary } from '../../../shared/api/queue.ts';
import type { QueueSnapshot } from '../../../shared/server-frames.ts';
import { sanitiseAll } from '../text/sanitise.ts';

/** The state of the queue from the stream, while a screen shows it. */
export interface QueueState {
  /** Null for callers that are not administrators. */
  stats: QueueStats | null;
  /** Running and recently changed tasks, by id. The last changed task is last. */
  tasks: ReadonlyMap<string, TaskSummary>;
  /** Increases with each change of any task. */
  version: number;
}

const MAX_TASKS = 500;

/** Always has a new version, because changes may be lost before a snapshot. */
export function queueFromSnapshot({ stats, tasks }: QueueSnapshot, before: QueueState | null): QueueState {
  const ordered = sanitiseAll(tasks).toSorted((a, b) => (a.updated < b.updated ? -1 : 1));
  return {
    stats,
    tasks: new Map(ordered.map((task) => [task.id, task])),
    version: (before?.version ?? 0) + 1,
  };
}

/** The state after the changes, in their order. */
export function withTasks(
  queue: QueueState,
  changed: readonly TaskSummary[],
  stats: QueueStats | null,
): QueueState {
  const tasks = new Map(queue.tasks);
  for (const task of changed) {
    // Deleted first to move it to the end.
    tasks.delete(task.id);
    tasks.set(task.id, sanitiseAll(task));
  }
  for (const [id, { status }] of tasks) {
    if (tasks.size <= MAX_TASKS) break;
    if (status !== 'processing') tasks.delete(id);
  }
  return { stats: stats ?? queue.stats, tasks, version: queue.version + 1 };
}

/** Whether the stream has sent all existing tasks; false if that is unknown. */
export function hasAllTasks(queue: QueueState | null): boolean {
  if (queue === null || queue.stats === null) return false;
  const total = Object.values(queue.stats.counts).reduce((sum, count) => sum + count, 0);
  return queue.tasks.size >= total;
}
