import type { QueueStats, TaskSummary } from '../../../shared/api/queue.ts';
import type { QueueSnapshot } from '../../../shared/server-frames.ts';
import { sanitiseAll } from '../text/sanitise.ts';

/** What the stream tells of the queue, while it is looked at. */
export interface QueueState {
  /** Null for whoever may not see them. */
  stats: QueueStats | null;
  /** What runs and what changed last, by id, the latest change last. */
  tasks: ReadonlyMap<string, TaskSummary>;
  /** Grows with every change, of any task. */
  version: number;
}

const KEPT = 500;

/** A new version even when nothing was known to have changed: whatever was lost may have. */
export function queueFromSnapshot({ stats, tasks }: QueueSnapshot, before: QueueState | null): QueueState {
  const ordered = sanitiseAll(tasks).toSorted((a, b) => (a.updated < b.updated ? -1 : 1));
  return {
    stats,
    tasks: new Map(ordered.map((task) => [task.id, task])),
    version: (before?.version ?? 0) + 1,
  };
}

/** The state after these changes, in their order. */
export function withTasks(
  queue: QueueState,
  changed: readonly TaskSummary[],
  stats: QueueStats | null,
): QueueState {
  const tasks = new Map(queue.tasks);
  for (const task of changed) {
    // Deleted first, so that it moves to the end.
    tasks.delete(task.id);
    tasks.set(task.id, sanitiseAll(task));
  }
  for (const [id, { status }] of tasks) {
    if (tasks.size <= KEPT) break;
    if (status !== 'processing') tasks.delete(id);
  }
  return { stats: stats ?? queue.stats, tasks, version: queue.version + 1 };
}

/** Whether the stream has told all tasks that there are; false where that is not known. */
export function hasAllTasks(queue: QueueState | null): boolean {
  if (queue === null || queue.stats === null) return false;
  const total = Object.values(queue.stats.counts).reduce((sum, count) => sum + count, 0);
  return queue.tasks.size >= total;
}
