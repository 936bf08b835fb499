import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { queueChaos } from '../chaos/queue-chaos.ts';
import { deployment } from '../helpers/harness.ts';
import { TEST_TASKS } from '../helpers/queue.ts';

const KILLS = 30;

it('nothing is lost while workers, the daemon and the global PocketBase are killed', {
  timeout: 600_000,
}, async () => {
  const fathom = await deployment({
    FATHOM_TASKS_DIR: TEST_TASKS,
    WORKER_CONCURRENCY: '2',
    QUEUE_POLL_INTERVAL: '1',
    LOG_LEVEL: 'warn',
  });
  const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));
  // At once, so that it is also known of a run that does not end.
  console.log(`CHAOS_SEED=${seed}`);
  const report = await queueChaos(fathom, { seed, tasks: 200, kills: KILLS });
  console.log(JSON.stringify(report));
  expect(report.faults).toEqual([]);
  expect(report.done + report.dead).toBe(200);
  const { worker, daemon, global } = report.kills;
  expect(worker + daemon + global).toBe(KILLS);
});
