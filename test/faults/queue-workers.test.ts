import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { deployment } from '../helpers/harness.ts';
import { startWorkers, TEST_TASKS } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';

const TASKS = 500;
const WORKERS = 5;

interface Note {
  what: 'start' | 'end';
  id: string;
  epoch: number;
  at: number;
}

async function runAll(fathom: Deployment, file: string): Promise<void> {
  await fathom.client.queue.pause();
  let left = TASKS;
  const add = async () => {
    while (left > 0) {
      left -= 1;
      await fathom.client.queue.add({ type: 'interval', payload: { file, ms: 5 } });
    }
  };
  await Promise.all([add(), add(), add(), add()]);
  const { counts } = await fathom.client.queue.resume();
  await until(
    async () => {
      const stats = await fathom.client.queue.stats();
      return stats.counts.done === counts.pending + counts.done;
    },
    { timeoutMs: 120_000, what: 'all tasks to be done' },
  );
}

async function notes(file: string): Promise<Note[]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Note);
}

/** The most tasks that had begun and not ended; what is written is in the order in which it happened. */
function mostAtOnce(written: readonly Note[]): number {
  const running = new Set<string>();
  let most = 0;
  for (const { what, id } of written) {
    if (what === 'start') running.add(id);
    else running.delete(id);
    most = Math.max(most, running.size);
  }
  return most;
}

describe.each([1, 3])('five workers and the daemon with WORKER_CONCURRENCY=%i', (concurrency) => {
  it('never run more at once, and each task once', { timeout: 240_000 }, async () => {
    const fathom = await deployment({
      FATHOM_TASKS_DIR: TEST_TASKS,
      WORKER_CONCURRENCY: String(concurrency),
      LOG_LEVEL: 'warn',
    });
    await fathom.start();
    const workers = await startWorkers(fathom, WORKERS);
    const file = join(fathom.filesDir, 'notes.jsonl');
    await runAll(fathom, file);
    for (const worker of workers) await worker.stop();

    const written = await notes(file);
    expect(mostAtOnce(written)).toBeLessThanOrEqual(concurrency);
    const starts = written.filter(({ what }) => what === 'start').map(({ id }) => id);
    expect(new Set(starts).size).toBe(starts.length);
    expect(written.filter(({ what }) => what === 'end')).toHaveLength(starts.length);
    const { total } = await fathom.client.queue.list({ status: 'done', per_page: 1 });
    expect(starts).toHaveLength(total);
    expect(total).toBe(TASKS);
  });
});
