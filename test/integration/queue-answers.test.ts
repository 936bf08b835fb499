import { describe, expect, it } from 'vitest';
import type { LogLine } from '../helpers/log-lines.ts';
import { hookAccess } from '../helpers/queue.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';
import { NO_ANSWER, type Worker, WorkerStage } from '../helpers/worker-stage.ts';

const stage = WorkerStage.forFile();

const LATE = { worker: 'late', lease_ms: 30_000 };

/** As a worker of its own that waits so long for the answer. */
const askUntil = (timeMs: number, operation: string, body: object) =>
  fetch(`${stage.fathom.globalUrl}/api/fathom/queue/${operation}`, {
    method: 'POST',
    headers: { 'x-fathom-hook-token': hookAccess(stage.fathom).hookToken, 'x-fathom-until': String(timeMs) },
    body: JSON.stringify({ ...LATE, ...body }),
  });
const claimUntil = (timeMs: number) => askUntil(timeMs, 'claim', {});

describe('a task that is added at a worker', () => {
  it('comes back claimed from the same request, if the worker has nothing to do', async () => {
    await stage.withWorker(async (worker) => {
      const task = stage.row();
      expect(await worker.add(task)).toMatchObject({ created: true, task: { status: 'pending' } });
      expect((await stage.until(task.id, 'done')).attempts).toBe(1);
      expect(stage.hooks.asked.filter((name) => name !== 'get').slice(0, 2)).toEqual([
        'add-and-claim',
        'settle',
      ]);
    });
  });

  it('waits while the queue is paused, and until it is due', async () => {
    await stage.withWorker(async (worker) => {
      await stage.hooks.call('configure', { paused: true });
      const task = stage.row();
      expect(await worker.add(task)).toMatchObject({ created: true });
      expect((await stage.get(task.id)).status).toBe('pending');
      const later = { ...stage.row(), run_at: '2999-01-01 00:00:00.000Z' };
      expect(await worker.add(later)).toMatchObject({ created: true });
      await stage.hooks.call('configure', { paused: false });
      worker.wake();
      await stage.until(task.id, 'done');
      expect((await stage.get(later.id)).status).toBe('pending');
    });
  });

  it('is only added where the slots are taken, or the worker is not started', async () => {
    await stage.withWorker(async (worker) => {
      const tasks = [stage.row(), stage.row(), stage.row()];
      await Promise.all(tasks.map((task) => worker.add(task)));
      for (const { id } of tasks) expect((await stage.until(id, 'done')).attempts).toBe(1);
      expect(stage.hooks.asked.filter((name) => name === 'enqueue')).toHaveLength(2);
      await worker.stop(0);
      const late = stage.row();
      expect(await worker.add(late)).toMatchObject({ created: true });
      expect((await stage.get(late.id)).status).toBe('pending');
      await stage.hooks.call('cancel', { id: late.id });
    });
  });

  it('is run once when the answer that brought it is lost', async () => {
    await stage.withWorker(async (worker) => {
      stage.hooks.losing = 'add-and-claim';
      const task = stage.row();
      await expect(worker.add(task)).rejects.toMatchObject({ code: 'control_plane.unavailable' });
      expect((await stage.until(task.id, 'done')).attempts).toBe(1);
    });
  });

  it('is run once when that answer is lost and the next task is added behind it', async () => {
    await stage.hooks.call('configure', { max_running: 2 });
    await stage.withWorker(
      async (worker) => {
        stage.hooks.losing = 'add-and-claim';
        const [lost, next] = [stage.row(), stage.row()];
        const added = await Promise.allSettled([worker.add(lost), worker.add(next)]);
        expect(added.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
        for (const { id } of [lost, next]) expect((await stage.until(id, 'done')).attempts).toBe(1);
      },
      { slots: 2 },
    );
  });

  it('is not claimed by a request that is read after its sender has timed out', async () => {
    const task = stage.row();
    await stage.hooks.call('enqueue', task);
    expect((await claimUntil(Date.now() - 1)).status).toBe(503);
    expect((await stage.get(task.id)).status).toBe('pending');
    expect(await (await claimUntil(Date.now() + 60_000)).json()).toMatchObject({ task: { id: task.id } });
    const settled = { id: task.id, epoch: 1, outcome: { kind: 'cancelled' }, claim: false } as const;
    await stage.hooks.call('settle', { ...LATE, ...settled });
  });

  it('is not claimed by a request that was read in time, but had to wait for the lock of another program', async () => {
    await stage.hooks.call('configure', { max_running: 5 });
    const [held, waiting, added] = [stage.row(), stage.row(), stage.row()];
    await stage.hooks.call('enqueue', held);
    await stage.hooks.call('claim', LATE);
    await stage.hooks.call('enqueue', waiting);
    const end = { id: held.id, epoch: 1, outcome: { kind: 'done', result: '1' }, claim: true };
    using database = stage.database();
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
      expect(await stage.get(id)).toMatchObject({ status: 'pending', attempts: 0 });
      await stage.hooks.call('cancel', { id });
    }
    expect(await stage.get(held.id)).toMatchObject({ status: 'done', attempts: 1 });
  });

  it('is given back, and not begun, when the answer that brings it comes during a stop', async () => {
    await stage.withWorker(async (worker) => {
      const held = Promise.withResolvers<void>();
      stage.hooks.holding = { operation: 'add-and-claim', until: held.promise };
      const task = { ...stage.row(), type: 'gated', payload: '{"gate":"/nowhere"}', timeout_s: 5 };
      const added = worker.add(task);
      await until(async () => (await stage.find(task.id))?.status === 'processing', {
        what: 'it to be claimed',
      });
      const stopped = worker.stop(0);
      await stage.get(task.id);
      stage.hooks.holding = null;
      held.resolve();
      await stopped;
      expect(await added).toMatchObject({ created: true });
      expect(await stage.get(task.id)).toMatchObject({ status: 'pending', attempts: 0 });
      await stage.hooks.call('cancel', { id: task.id });
    });
  });
});

/** The tasks whose ends could not be reported; a line about a task that is dead names its outcome. */
function troubleWithEnds(complaints: LogLine[]): unknown[] {
  return complaints.filter((line) => line['outcome'] === undefined).map((line) => line['task']);
}

describe('the end of a task whose answer is lost', () => {
  it.each([
    [
      'retry',
      stage.misbehaving('throws', 2),
      () => stage.reported(2),
      { status: 'pending', attempts: 1, errors: [{ attempt: 1 }] },
    ],
    [
      'dead',
      stage.misbehaving('throws', 1),
      () => stage.reported(2),
      { status: 'dead', attempts: 1, errors: [{ attempt: 1 }] },
    ],
    [
      'cancelled',
      stage.misbehaving('never', 2),
      async (worker: Worker, id: string) => {
        await stage.hooks.call('cancel', { id });
        worker.cancel(id);
      },
      { status: 'cancelled', attempts: 1 },
    ],
    [
      'returned',
      stage.misbehaving('never', 2),
      (worker: Worker) => worker.stop(0),
      { status: 'pending', attempts: 0, errors: null },
    ],
  ])('is recognised when it is reported again (%s), and counted once', async (_, task, happens, expected) => {
    const complaints = await stage.withWorker(
      async (worker) => {
        stage.hooks.losing = 'settle';
        await worker.add(task);
        await happens(worker, task.id);
        await stage.reported(2);
      },
      // What is to be tried again waits for longer than the test.
      { random: () => 1_000 },
    );
    expect(troubleWithEnds(complaints)).toEqual([task.id]);
    expect(await stage.get(task.id)).toMatchObject(expected);
    await stage.hooks.call('cancel', { id: task.id });
  });

  it('gives a task back that had come again with it, as its next attempt', async () => {
    const task = stage.misbehaving('throws', 2);
    const complaints = await stage.withWorker(
      async (worker) => {
        stage.hooks.losing = 'settle';
        await worker.add(task);
        await until(async () => (await stage.get(task.id)).status === 'dead', { what: 'its last attempt' });
      },
      { random: () => 0 },
    );
    // Once that the answer was lost, once that the second report was refused.
    expect(troubleWithEnds(complaints)).toEqual([task.id, task.id]);
    expect(await stage.get(task.id)).toMatchObject({ attempts: 2, errors: [{ attempt: 1 }, { attempt: 2 }] });
  });
});

it('a worker says once why it cannot look for tasks, and again when it could meanwhile', async () => {
  const complaints = await stage.withWorker(async (worker) => {
    for (let time = 1; time <= 2; time += 1) {
      stage.hooks.away = true;
      stage.hooks.asked = [];
      const looked = () => {
        worker.wake();
        return stage.hooks.asked.length >= 3;
      };
      await until(looked, { what: 'three looks' });
      stage.hooks.away = false;
      const task = stage.row();
      await worker.add(task);
      await stage.until(task.id, 'done');
    }
  });
  expect(complaints.map(({ msg }) => msg)).toEqual([textWith(NO_ANSWER), textWith(NO_ANSWER)]);
});
