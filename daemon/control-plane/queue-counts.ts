import { NO_TASKS, type TaskCounts, type TaskStatus } from '../../shared/task.ts';
import type { ControlPlaneClient } from './client.ts';

/** Tasks by status. */
export async function countTasks(client: ControlPlaneClient): Promise<TaskCounts> {
  const counts = await client.call((pocketbase) =>
    pocketbase.send<Partial<Record<TaskStatus, number>>>('/api/fathom/queue/counts', { method: 'GET' }),
  );
  return { ...NO_TASKS, ...counts };
}
