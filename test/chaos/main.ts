/**
 * `npm run chaos -- [--minutes 10] [--seed n]`: rounds of 200 tasks and 40 kills until the time is up. Prints the
 * seed of each round, which repeats its choices, and its report; ends with 1 if anything was lost.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createDeployment } from '../helpers/deployment.ts';
import { TEST_TASKS } from '../helpers/queue.ts';
import { queueChaos } from './queue-chaos.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const end = performance.now() + Number(values.minutes) * 60_000;
let seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
let faults = 0;
do {
  // At once, so that it is also known of a round that does not end.
  console.log(`seed ${seed}`);
  const fathom = await createDeployment({
    FATHOM_TASKS_DIR: TEST_TASKS,
    WORKER_CONCURRENCY: '2',
    QUEUE_POLL_INTERVAL: '1',
    LOG_LEVEL: 'warn',
  });
  try {
    const report = await queueChaos(fathom, { seed, tasks: 200, kills: 40 });
    faults += report.faults.length;
    console.log(JSON.stringify(report));
  } finally {
    await fathom.dispose();
  }
  seed += 1;
} while (performance.now() < end);
process.exitCode = faults === 0 ? 0 : 1;
