// Runs the jobs that wait in a graphile-worker queue, one at a time, and prints how many per second. Arguments:
// connection string, number of jobs.
import { makeWorkerUtils, run } from 'graphile-worker';
import { Client } from 'pg';

const [connectionString, count] = process.argv.slice(2);
const utils = await makeWorkerUtils({ connectionString });
await utils.migrate();
await utils.release();
const client = new Client({ connectionString });
await client.connect();
await client.query(`SELECT graphile_worker.add_job('noop') FROM generate_series(1, ${Number(count)})`);
await client.end();

let first = 0;
let done = 0;
const runner = await run({
  connectionString,
  concurrency: 1,
  noHandleSignals: true,
  taskList: { noop: () => {} },
  logger: undefined,
});
await new Promise((resolve) => {
  runner.events.on('job:success', () => {
    done += 1;
    if (done === 1) first = performance.now();
    if (done === Number(count)) resolve();
  });
});
console.log(`RATE ${((Number(count) - 1) / (performance.now() - first)) * 1000}`);
await runner.stop();
