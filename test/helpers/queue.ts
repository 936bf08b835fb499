import { join } from 'node:path';
import { hookTokenOf } from '../../daemon/keys/hook-token.ts';
import type { HookClientOptions } from '../../daemon/queue/store/hook-client.ts';
import type { Task } from '../../shared/api/queue.ts';
import type { Daemon, Deployment } from './deployment.ts';
import { FATHOMD } from './fathomd.ts';
import { until } from './until.ts';

/** Handlers that only tests need; set as FATHOM_TASKS_DIR. */
export const TEST_TASKS = join(import.meta.dirname, '..', 'fixtures', 'tasks');

const FINISHED = ['done', 'dead', 'cancelled'];

/** The task, once nothing more will come of it. */
export function finished(fathom: Deployment, id: string): Promise<Task> {
  let last: Task | null = null;
  return until(
    async () => {
      last = await fathom.client.queue.get(id);
      return FINISHED.includes(last.status) ? last : null;
    },
    { what: () => `task ${id} to be finished: ${JSON.stringify(last)}` },
  );
}

/** The command `fathomd worker`. */
export const WORKER = [FATHOMD, 'worker'] as const;

/** What workers and the daemon ask the control plane with. */
export function hookAccess(fathom: Deployment): HookClientOptions {
  return { url: fathom.globalUrl, hookToken: hookTokenOf(Buffer.from(fathom.env['JWT_SECRET'] ?? '')) };
}

/** A worker says that it is up with its id, which has its process in it. */
export function isUp(worker: Daemon): boolean {
  return new RegExp(`^worker \\S*:${worker.pid}:`, 'm').test(worker.output());
}

/** `fathomd worker`, several times, each up. They end with the deployment at the latest. */
export async function startWorkers(
  fathom: Deployment,
  count: number,
  settings: Record<string, string> = {},
): Promise<Daemon[]> {
  const workers = Array.from({ length: count }, () => fathom.launch(settings, WORKER));
  for (const worker of workers) {
    await until(() => isUp(worker), {
      what: () => `a worker to be up: ${worker.output()}`,
    });
  }
  return workers;
}
