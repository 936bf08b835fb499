import { join } from 'node:path';
import type { Task } from '../../shared/task.ts';
import type { Deployment } from './deployment.ts';
import { until } from './until.ts';

/** Handlers that only tests need; set as FATHOM_TASKS_DIR. */
export const TEST_TASKS = join(import.meta.dirname, '..', 'fixtures', 'tasks');

const FINISHED = ['done', 'dead', 'cancelled'];

/** The task, once nothing more will come of it. */
export function finished(fathom: Deployment, id: string, timeoutMs = 60_000): Promise<Task> {
  let last: Task | null = null;
  return until(
    async () => {
      last = await fathom.client.queue.get(id);
      return FINISHED.includes(last.status) ? last : null;
    },
    { timeoutMs, what: () => `task ${id} to be finished: ${JSON.stringify(last)}` },
  );
}
