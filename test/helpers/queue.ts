import { join } from 'node:path';
import type { Task } from '../../shared/task.ts';
import type { Daemon, Deployment } from './deployment.ts';
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

const WORKER = [join(import.meta.dirname, '..', '..', 'bin', 'fathomd'), 'worker'] as const;

/** `fathomd worker`, several times, each up. They end with the deployment at the latest. */
export async function startWorkers(fathom: Deployment, count: number): Promise<Daemon[]> {
  const workers = Array.from({ length: count }, () => fathom.launch({}, WORKER));
  for (const worker of workers) {
    await until(() => / is up/.test(worker.output()), {
      timeoutMs: 60_000,
      what: () => `a worker to be up: ${worker.output()}`,
    });
  }
  return workers;
}
