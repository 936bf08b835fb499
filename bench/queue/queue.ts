import { randomInt } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { HookClient } from '../../daemon/queue/store/hook-client.ts';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { hookAccess, TEST_TASKS } from '../../test/helpers/queue.ts';
import { until } from '../../test/helpers/until.ts';
import { median, ms, report } from '../measure.ts';
import { Postgres } from './postgres.ts';

const PEERS = join(import.meta.dirname, '../peers');
const ROUNDS = 7;
const TASKS = 1_500;
const PICK_UPS = 200;
const CLAIMS = 300;
/** No-op tasks per second of a claim and a completion as two bare hook calls, as measured once on two cores. */
const FLOOR_PER_S = 489;

/** The queue at concurrency 1: throughput, time to start, and what a long history costs. */
export async function benchQueue(): Promise<boolean> {
  const fathom = await createDeployment({ FATHOM_TASKS_DIR: TEST_TASKS, LOG_LEVEL: 'warn' });
  try {
    const daemon = await fathom.start();
    const pickUp = await benchPickUp(fathom);
    const throughput = await benchThroughput(fathom);
    const responsive = await benchResponsive(fathom);
    // The worker of the daemon would take what is measured below.
    daemon.signal('SIGKILL');
    await daemon.exited;
    const history = await benchHistory(fathom);
    await fathom.start();
    return [pickUp, throughput, responsive, history].every(Boolean);
  } finally {
    await fathom.dispose();
  }
}

function open(fathom: Deployment): DatabaseSync {
  return new DatabaseSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), { timeout: 20_000 });
}

/** Rows straight into the table: the benchmark is not about adding them. */
function insert(database: DatabaseSync, type: string, status: string, count: number): void {
  const insertOne = database.prepare(
    `INSERT INTO global_queue (id, type, payload, status, max_attempts, timeout_s, run_at, finished_at, created, updated)
     VALUES (?, ?, '{}', ?, 5, 60, ?, ?, ?, ?)`,
  );
  const now = new Date().toISOString().replace('T', ' ');
  database.exec('BEGIN IMMEDIATE');
  for (let index = 0; index < count; index += 1) {
    const id = `${randomInt(36 ** 5).toString(36)}${String(index).padStart(10, '0')}`.padStart(15, '0');
    insertOne.run(id, type, status, now, status === 'pending' ? '' : now, now, now);
  }
  database.exec('COMMIT');
}

async function benchPickUp(fathom: Deployment): Promise<boolean> {
  const file = join(fathom.dataDir, 'picked-up.jsonl');
  const took: number[] = [];
  for (let count = 0; count < PICK_UPS; count += 1) {
    const asked = performance.timeOrigin + performance.now();
    const { id } = await fathom.client.queue.add({ type: 'interval', payload: { file, ms: 0 } });
    // Its note is looked for, not its state: asking the daemon would take from what is measured.
    const start = await until(() => notes(file).find((note) => note.id === id), {
      what: 'the handler to begin',
    });
    took.push(start.at - asked);
    await until(async () => (await fathom.client.queue.get(id)).status === 'done', {
      what: 'the task to be done',
    });
  }
  return report({
    name: 'queue pick-up',
    compares: 'a task is asked for over the API → its handler begins, idle worker',
    value: median(took),
    bar: 10,
    unit: ' ms',
    details: `median of ${took.length}, at most ${ms(Math.max(...took))}`,
  });
}

/** What the handler `interval` wrote: when which task began and ended. */
function notes(file: string): { id: string; at: number }[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as { id: string; at: number });
}

async function ourRate(fathom: Deployment): Promise<number> {
  await fathom.client.queue.pause();
  const database = open(fathom);
  try {
    database.exec('DELETE FROM global_queue');
    insert(database, 'noop', 'pending', TASKS);
    await fathom.client.queue.resume();
    for (let left = TASKS; left > 0; ) {
      // Asking more often would take from what is measured.
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { counts } = await fathom.client.queue.stats();
      left = counts.pending + counts.processing;
    }
    const row = database
      .prepare(
        `SELECT COUNT(*) AS n, (julianday(MAX(finished_at)) - julianday(MIN(finished_at))) * 86400 AS seconds
         FROM global_queue WHERE status = 'done'`,
      )
      .get();
    if (row?.['n'] !== TASKS) throw new Error(`${String(row?.['n'])} of ${TASKS} tasks are done`);
    return (TASKS - 1) / Number(row['seconds']);
  } finally {
    database.close();
  }
}

async function benchThroughput(fathom: Deployment): Promise<boolean> {
  await using postgres = await Postgres.start();
  if (postgres && !existsSync(join(PEERS, 'node_modules', 'graphile-worker'))) {
    await execa('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund']);
  }
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await ourRate(fathom));
    if (!postgres) continue;
    const { stdout } = await execa(process.execPath, [
      join(PEERS, 'graphile-noop.mjs'),
      postgres.url,
      String(TASKS),
    ]);
    theirs.push(Number(/^RATE (.*)$/m.exec(stdout)?.[1]));
  }
  // Round by round, as the machine itself is faster at one time than at another.
  const ratios = ours.map((rate, round) => (theirs[round] ?? FLOOR_PER_S) / rate);
  return report({
    name: 'queue throughput',
    compares: postgres
      ? 'time of one no-op task / of one no-op job of graphile-worker on PostgreSQL with default settings'
      : 'time of one no-op task / of two bare hook calls, as recorded (PostgreSQL is not installed)',
    value: median(ratios),
    bar: 1 / 0.8,
    unit: '',
    details: `median of ${ROUNDS} rounds of ${TASKS}; per second: ours ${each(ours)}, theirs ${postgres ? each(theirs) : FLOOR_PER_S}`,
  });
}

async function benchHistory(fathom: Deployment): Promise<boolean> {
  const hooks = new HookClient(hookAccess(fathom));
  const database = open(fathom);
  try {
    database.exec('DELETE FROM global_queue');
    insert(database, 'x', 'pending', CLAIMS + 1);
    const without = await claimCost(hooks);
    database.exec('DELETE FROM global_queue');
    insert(database, 'x', 'done', 100_000);
    insert(database, 'x', 'pending', 10_000);
    const withHistory = await claimCost(hooks);
    database.exec('DELETE FROM global_queue');
    return report({
      name: 'queue history',
      compares: 'a completion with the next claim: 100,000 finished and 10,000 pending rows / none',
      value: withHistory / without,
      bar: 1.5,
      unit: '',
      details: `medians of ${CLAIMS}: ${ms(withHistory)} against ${ms(without)}`,
    });
  } finally {
    database.close();
    hooks.close();
  }
}

async function claimCost(hooks: HookClient): Promise<number> {
  const lease = { worker: 'bench', lease_ms: 60_000 };
  let { task } = await hooks.call('claim', { ...lease, rescue: true });
  const took: number[] = [];
  for (let count = 0; count < CLAIMS && task; count += 1) {
    const started = performance.now();
    const answer = await hooks.call('settle', {
      ...lease,
      id: task.id,
      epoch: task.epoch,
      claim: true,
      outcome: { kind: 'done', result: 'null' },
    });
    took.push(performance.now() - started);
    task = answer.task;
  }
  if (task) {
    const outcome = { kind: 'returned' } as const;
    await hooks.call('settle', { ...lease, id: task.id, epoch: task.epoch, claim: false, outcome });
  }
  return median(took);
}

/** The longest that the daemon's health took to answer while handlers did their worst. */
async function benchResponsive(fathom: Deployment): Promise<boolean> {
  const took: number[] = [];
  for (const way of ['throws', 'never', 'late', 'blocks', 'exits', 'eats', 'buffers', 'leaves']) {
    const { id } = await fathom.client.queue.add({
      type: 'misbehave',
      payload: { way },
      max_attempts: 1,
      timeout_s: 1,
    });
    let over = false;
    while (!over) {
      const started = performance.now();
      await (await fetch(`${fathom.url}/health`)).text();
      took.push(performance.now() - started);
      over = (await fathom.client.queue.get(id)).status === 'dead';
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  return report({
    name: 'queue isolation',
    compares: 'the longest answer of /health while handlers throw, hang, block, exit and eat memory',
    value: Math.max(...took),
    bar: 100,
    unit: ' ms',
    details: `${took.length} answers, median ${ms(median(took))}`,
  });
}

function each(rates: readonly number[]): string {
  return rates.map((rate) => rate.toFixed(0)).join(', ');
}
