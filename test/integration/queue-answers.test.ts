import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../daemon/base/clock.ts';
import { HookClient } from '../../daemon/queue/hook-client.ts';
import { createWorker } from '../../daemon/queue/queue.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Task } from '../../shared/task.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { hookAccess, TEST_TASKS } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let hooks: WatchedHooks;

/** Notes what is asked of the control plane; an answer can get lost, or be held back. */
class WatchedHooks extends HookClient {
  asked: string[] = [];
  losing: string | null = null;
  holding: { operation: string; until: Promise<unknown> } | null = null;
  away = false;

  override async call<T>(operation: string, body: object): Promise<T> {
    this.asked.push(operation);
    if (this.away) throw new FathomError('control_plane.unavailable', 'nobody answers');
    const answer = await super.call<T>(operation, body);
    if (operation === this.holding?.operation) await this.holding.until;
    if (operation !== this.losing) return answer;
    this.losing = null;
    throw new FathomError('control_plane.unavailable', 'the answer was lost');
  }
}

beforeAll(async () => {
  fathom = await createDeployment();
  const daemon = await fathom.start();
  // Its own worker would take what is added here.
  daemon.signal('SIGKILL');
  await daemon.exited;
  hooks = new WatchedHooks(hookAccess(fathom));
});

afterAll(async () => {
  hooks.close();
  // Takes the global PocketBase over, and along.
  await fathom.start();
  await fathom.dispose();
});

beforeEach(async () => {
  await hooks.call('configure', { paused: false, max_running: 1 });
});

type Worker = ReturnType<typeof createWorker>['worker'];

/** What the worker complained of. */
async function withWorker(
  work: (worker: Worker) => Promise<void>,
  { slots = 1, random = Math.random }: { slots?: number; random?: () => number } = {},
): Promise<string> {
  let complaints = '';
  const { worker, close } = createWorker({
    hooks,
    clock: systemClock,
    log: pino({ level: 'warn' }, { write: (line) => void (complaints += line) }),
    random,
    host: {
      databaseOf: () => Promise.reject(new Error('no task here has a user')),
      provision: () => Promise.reject(new Error('no task here has a user')),
    },
    masterKeys: [{ id: 'unused', key: Buffer.alloc(32) }],
    tasksDir: TEST_TASKS,
    slots,
    pollIntervalMs: 600_000,
    onActivity: () => {},
  });
  try {
    await worker.start();
    hooks.asked = [];
    await work(worker);
  } finally {
    await worker.stop(0);
    await close();
  }
  return complaints;
}

let count = 0;
function row() {
  count += 1;
  const id = `added${String(count).padStart(10, '0')}`;
  return { id, type: 'noop', payload: '{}', priority: 0, max_attempts: 5, timeout_s: 60 };
}

const get = async (id: string) => (await hooks.call<{ task: Task }>('get', { id })).task;

const LATE = { worker: 'late', lease_ms: 30_000 };

/** As a worker of its own that waits so long for the answer. */
const askUntil = (timeMs: number, operation: string, body: object) =>
  fetch(`${fathom.globalUrl}/api/fathom/queue/${operation}`, {
    method: 'POST',
    headers: { 'x-fathom-hook-token': hookAccess(fathom).hookToken, 'x-fathom-until': String(timeMs) },
    body: JSON.stringify({ ...LATE, ...body }),
  });
const claimUntil = (timeMs: number) => askUntil(timeMs, 'claim', {});

const untilDone = (id: string) =>
  until(async () => ((await get(id)).status === 'done' ? get(id) : null), { what: `${id} to be done` });

describe('a task that is added at a worker', () => {
  it('comes back claimed from the same request, if the worker has nothing to do', async () => {
    await withWorker(async (worker) => {
      const task = row();
      expect(await worker.add(task)).toMatchObject({ created: true, task: { status: 'pending' } });
      expect((await untilDone(task.id)).attempts).toBe(1);
      expect(hooks.asked.filter((name) => name !== 'get').slice(0, 2)).toEqual(['add-and-claim', 'settle']);
    });
  });

  it('waits while the queue is paused, and until it is due', async () => {
    await withWorker(async (worker) => {
      await hooks.call('configure', { paused: true });
      const task = row();
      expect(await worker.add(task)).toMatchObject({ created: true });
      expect((await get(task.id)).status).toBe('pending');
      const later = { ...row(), run_at: '2999-01-01 00:00:00.000Z' };
      expect(await worker.add(later)).toMatchObject({ created: true });
      await hooks.call('configure', { paused: false });
      worker.wake();
      await untilDone(task.id);
      expect((await get(later.id)).status).toBe('pending');
    });
  });

  it('is only added where the slots are taken, or nobody has started the worker', async () => {
    await withWorker(async (worker) => {
      const tasks = [row(), row(), row()];
      await Promise.all(tasks.map((task) => worker.add(task)));
      for (const { id } of tasks) expect((await untilDone(id)).attempts).toBe(1);
      expect(hooks.asked.filter((name) => name === 'enqueue')).toHaveLength(2);
      await worker.stop(0);
      const late = row();
      expect(await worker.add(late)).toMatchObject({ created: true });
      expect((await get(late.id)).status).toBe('pending');
      await hooks.call('cancel', { id: late.id });
    });
  });

  it('is run once when the answer that brought it is lost', async () => {
    await withWorker(async (worker) => {
      hooks.losing = 'add-and-claim';
      const task = row();
      await expect(worker.add(task)).rejects.toThrow('the answer was lost');
      expect((await untilDone(task.id)).attempts).toBe(1);
    });
  });

  it('is run once when that answer is lost and the next task is added behind it', async () => {
    await hooks.call('configure', { max_running: 2 });
    await withWorker(
      async (worker) => {
        hooks.losing = 'add-and-claim';
        const [lost, next] = [row(), row()];
        const added = await Promise.allSettled([worker.add(lost), worker.add(next)]);
        expect(added.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
        for (const { id } of [lost, next]) expect((await untilDone(id)).attempts).toBe(1);
      },
      { slots: 2 },
    );
  });

  it('is not claimed by a request that is read after whoever sent it has given up', async () => {
    const task = row();
    await hooks.call('enqueue', task);
    expect((await claimUntil(Date.now() - 1)).status).toBe(503);
    expect((await get(task.id)).status).toBe('pending');
    expect(await (await claimUntil(Date.now() + 60_000)).json()).toMatchObject({ task: { id: task.id } });
    const settled = { id: task.id, epoch: 1, outcome: { kind: 'cancelled' }, claim: false };
    await hooks.call('settle', { ...LATE, ...settled });
  });

  it('is not claimed by a request that was read in time, but had to wait for the lock of another program', async () => {
    await hooks.call('configure', { max_running: 5 });
    const [held, waiting, added] = [row(), row(), row()];
    await hooks.call('enqueue', held);
    await hooks.call('claim', LATE);
    await hooks.call('enqueue', waiting);
    const end = { id: held.id, epoch: 1, outcome: { kind: 'done', result: '1' }, claim: true };
    using database = new DatabaseSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'));
    database.exec('BEGIN IMMEDIATE');
    // PocketBase waits 10 s for the lock.
    const goneMs = Date.now() + 4_000;
    const asked = [
      askUntil(goneMs, 'claim', { rescue: true }),
      askUntil(goneMs, 'settle', end),
      askUntil(goneMs, 'add-and-claim', { row: added }),
    ];
    await until(() => Date.now() > goneMs, { what: 'the time to be over' });
    database.exec('ROLLBACK');
    const answers = await Promise.all(asked);
    // One that had not been read in time would be refused.
    expect(await Promise.all(answers.map((answer) => answer.json()))).toMatchObject([
      { task: null },
      { accepted: true, task: null },
      { added: { created: true }, task: null },
    ]);
    for (const { id } of [waiting, added]) {
      expect(await get(id)).toMatchObject({ status: 'pending', attempts: 0 });
      await hooks.call('cancel', { id });
    }
    expect(await get(held.id)).toMatchObject({ status: 'done', attempts: 1 });
  });

  it('is given back, and not begun, when the answer that brings it comes during a stop', async () => {
    await withWorker(async (worker) => {
      const held = Promise.withResolvers<void>();
      hooks.holding = { operation: 'add-and-claim', until: held.promise };
      const task = { ...row(), type: 'gated', payload: '{"gate":"/nowhere"}', timeout_s: 5 };
      const added = worker.add(task);
      await until(async () => (await get(task.id))?.status === 'processing', { what: 'it to be claimed' });
      const stopped = worker.stop(0);
      await get(task.id);
      hooks.holding = null;
      held.resolve();
      await stopped;
      expect(await added).toMatchObject({ created: true });
      expect(await get(task.id)).toMatchObject({ status: 'pending', attempts: 0 });
      await hooks.call('cancel', { id: task.id });
    });
  });
});

function misbehaving(way: string, max_attempts: number) {
  return { ...row(), type: 'misbehave', payload: JSON.stringify({ way }), max_attempts };
}

const told = (times: number) =>
  until(() => hooks.asked.filter((name) => name === 'settle').length === times, { what: 'it to be told' });

describe('the end of a task whose answer is lost', () => {
  it.each([
    [
      'retry',
      misbehaving('throws', 2),
      () => told(2),
      { status: 'pending', attempts: 1, errors: [{ attempt: 1 }] },
    ],
    [
      'dead',
      misbehaving('throws', 1),
      () => told(2),
      { status: 'dead', attempts: 1, errors: [{ attempt: 1 }] },
    ],
    [
      'cancelled',
      misbehaving('never', 2),
      async (worker: Worker, id: string) => {
        await hooks.call('cancel', { id });
        worker.cancel(id);
      },
      { status: 'cancelled', attempts: 1 },
    ],
    [
      'returned',
      misbehaving('never', 2),
      (worker: Worker) => worker.stop(0),
      { status: 'pending', attempts: 0, errors: null },
    ],
  ])('is known when it is told again (%s), and counted once', async (_, task, happens, expected) => {
    const complaints = await withWorker(
      async (worker) => {
        hooks.losing = 'settle';
        await worker.add(task);
        await happens(worker, task.id);
        await told(2);
      },
      // What is to be tried again waits for longer than the test.
      { random: () => 1_000 },
    );
    expect(complaints).toContain('the end of a task could not be told: the answer was lost');
    expect(complaints).not.toMatch(/refused|lease/);
    expect(await get(task.id)).toMatchObject(expected);
    await hooks.call('cancel', { id: task.id });
  });

  it('gives a task back that had come again with it, as its next attempt', async () => {
    const task = misbehaving('throws', 2);
    const complaints = await withWorker(
      async (worker) => {
        hooks.losing = 'settle';
        await worker.add(task);
        await until(async () => (await get(task.id)).status === 'dead', { what: 'its last attempt' });
      },
      { random: () => 0 },
    );
    expect(complaints).toMatch(/refused when it was told again: it may have arrived the first time/);
    expect(await get(task.id)).toMatchObject({ attempts: 2, errors: [{ attempt: 1 }, { attempt: 2 }] });
  });
});

it('a worker says once why it cannot look for tasks, and again when it could meanwhile', async () => {
  const complaints = await withWorker(async (worker) => {
    for (let time = 1; time <= 2; time += 1) {
      hooks.away = true;
      hooks.asked = [];
      const looked = () => {
        worker.wake();
        return hooks.asked.length >= 3;
      };
      await until(looked, { what: 'three looks' });
      hooks.away = false;
      const task = row();
      await worker.add(task);
      await untilDone(task.id);
    }
  });
  expect(complaints.match(/cannot look for tasks: nobody answers/g)).toHaveLength(2);
});
