import type { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { QueueWatch } from '../../daemon/queue/queue-watch.ts';
import { MAX_RETRY_AFTER_MS } from '../../daemon/queue/runner/messages.ts';
import { TaskStore } from '../../daemon/queue/store/task-store.ts';
import type { Task } from '../../shared/api/queue.ts';
import { taskSchema } from '../../shared/api/queue.ts';
import { until } from '../helpers/until.ts';
import { WorkerStage } from '../helpers/worker-stage.ts';

const stage = WorkerStage.forFile();

/** Has the database refuse what `when` says of a row, as it would refuse what breaks a rule of its own. */
function refusing(when: string, reason = 'not this'): void {
  const database = stage.database();
  database.exec(
    `CREATE TRIGGER test_refuses BEFORE UPDATE ON global_queue WHEN ${when} BEGIN SELECT RAISE(ABORT, '${reason}'); END`,
  );
  onTestFinished(() => {
    // What could not be ended would take the only place.
    database.exec('DROP TRIGGER test_refuses; DELETE FROM global_queue');
    database.close();
  });
}

describe('the end of a task that cannot be kept', () => {
  it('is no delay that has no time: the next attempt has one, and the queue goes on', async () => {
    await stage.withWorker(
      async (worker) => {
        for (const ms of ['9007199254740991', '1e300', 'Infinity', 'NaN', '-5', 'text']) {
          const later = stage.misbehaving('later', 5, { ms });
          await worker.add(later);
          const ended = async () =>
            (await stage.get(later.id)).errors === null ? null : stage.get(later.id);
          const task = await until(ended, { what: `its first attempt to end (${ms})` });
          expect(task).toMatchObject({ attempts: 1, status: 'pending' });
          const delayMs = Date.parse(String(task.run_at)) - Date.parse(task.updated);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(MAX_RETRY_AFTER_MS);
          await stage.hooks.call('cancel', { id: later.id });
          const next = stage.row();
          await worker.add(next);
          await stage.until(next.id, 'done');
        }
        // Without a wish of its own it waits for longer than the test.
      },
      { random: () => 1_000 },
    );
  });

  it.each([
    ['result', `NEW.result LIKE '%refuse me%'`, 'results'],
    ['error', `NEW.errors LIKE '%refuse me%'`, 'throws'],
    ['progress', `NEW.progress_message LIKE '%refuse me%'`, 'reports'],
  ])('makes the task dead with the reason when its %s is refused', async (_, when, way) => {
    refusing(when);
    await stage.withWorker(
      async (worker) => {
        const refused = stage.misbehaving(way, 5, { text: 'refuse me' });
        const beside = stage.misbehaving('reports', 5, { text: 'fine' });
        await stage.hooks.call('configure', { max_running: 2 });
        await worker.add(beside);
        await worker.add(refused);
        const task = await stage.until(refused.id, 'dead');
        expect(taskSchema.parse(task)).toMatchObject({
          attempts: 1,
          errors: [{ attempt: 1, code: 'refused' }],
        });
        expect(task.errors?.[0]?.message).toContain('not this');
        // What one reports costs no other its lease.
        expect(await stage.get(beside.id)).toMatchObject({ status: 'processing', attempts: 1 });
        await stage.hooks.call('cancel', { id: beside.id });
        worker.cancel(beside.id);
      },
      { slots: 2 },
    );
  });

  it('is left to its lease when even the reason is refused, and the worker goes on', async () => {
    refusing(`OLD.status = 'processing' AND NEW.id = '${stage.nextId}' AND NEW.status IN ('done', 'failed')`);
    await stage.hooks.call('configure', { max_running: 2 });
    let stuckId = '';
    const complaints = await stage.withWorker(async (worker) => {
      const stuck = stage.row();
      stuckId = stuck.id;
      await worker.add(stuck);
      await stage.reported(2);
      const next = stage.row();
      await worker.add(next);
      await stage.until(next.id, 'done');
      expect(await stage.get(stuck.id)).toMatchObject({ status: 'processing' });
      await stage.hooks.call('cancel', { id: stuck.id });
    });
    expect(new Set(complaints.map((line) => line['task']))).toEqual(new Set([stuckId]));
  });

  it('does not hold up a stop: what the disk has no room for is left to its lease', async () => {
    refusing(`OLD.status = 'processing' AND NEW.status <> 'processing'`, 'database or disk is full');
    const task = stage.row();
    // Ends with a stop, which is waited for.
    const complaints = await stage.withWorker(async (worker) => {
      await worker.add(task);
      await until(() => stage.hooks.asked.filter((name) => name === 'settle').length > 1, {
        what: 'the end to be reported',
      });
    });
    expect(complaints.flatMap((line) => line['tasks'] ?? [])).toEqual([task.id]);
    expect(await stage.get(task.id)).toMatchObject({ status: 'processing' });
  });
});

const YEAR_MS = 365 * 86_400_000;

/** All that was written lies a year later: as if the clock had been set back by that. */
function shift(database: DatabaseSync, columns = TIMES): void {
  const moved = columns.map(
    (name) => `${name} = iif(${name} = '', '', strftime('%Y-%m-%d %H:%M:%fZ', ${name}, '+1 year'))`,
  );
  database.exec(`UPDATE global_queue SET ${moved.join(', ')}`);
}
const TIMES = ['run_at', 'claimed_at', 'lease_expires_at', 'created', 'updated', 'finished_at'];

const ofWorker = (worker: string) => ({ worker, lease_ms: 30_000 });
const leaseMs = (task: Task) => Date.parse(String(task.lease_expires_at)) - Date.now();

describe('a clock that was set back', () => {
  it('holds up no task whose worker is gone for longer than a lease', async () => {
    using database = stage.database();
    const stuck = stage.row();
    await stage.hooks.call('enqueue', stuck);
    await stage.hooks.call('claim', ofWorker('gone'));
    shift(database);
    expect(leaseMs(await stage.get(stuck.id))).toBeGreaterThan(YEAR_MS / 2);
    await stage.withWorker(async (worker) => {
      expect(leaseMs(await stage.get(stuck.id))).toBeLessThanOrEqual(60_000);
      // And then that is over.
      database.exec(
        `UPDATE global_queue SET lease_expires_at = '2024-01-01 00:00:00.000Z' WHERE id = '${stuck.id}'`,
      );
      worker.wake();
      expect(await stage.until(stuck.id, 'done')).toMatchObject({ attempts: 2 });
    });
  });

  it('takes no task from a worker that is there', async () => {
    using database = stage.database();
    const task = stage.row();
    await stage.hooks.call('enqueue', task);
    await stage.hooks.call('claim', ofWorker('there'));
    shift(database);
    await stage.hooks.call('claim', { ...ofWorker('other'), rescue: true });
    const leases = [{ id: task.id, epoch: 1, progress: null, message: null }];
    expect(await stage.hooks.call('heartbeat', { ...ofWorker('there'), leases })).toEqual({
      lost: [],
      cancelled: [],
    });
    const outcome = { kind: 'done', result: '1' } as const;
    const settled = { ...ofWorker('there'), id: task.id, epoch: 1, outcome, claim: false };
    expect(await stage.hooks.call('settle', settled)).toMatchObject({ accepted: true });
  });

  it('lets wait what waited no longer than it would have', async () => {
    await stage.hooks.call('configure', { paused: true });
    using database = stage.database();
    const [now, retried] = [stage.row(), stage.row()];
    const asked = { ...stage.row(), run_at: '2999-01-01 00:00:00.000Z' };
    for (const row of [now, retried, asked]) await stage.hooks.call('enqueue', row);
    database.exec(
      `UPDATE global_queue SET attempts = 1, run_at = strftime('%Y-%m-%d %H:%M:%fZ', 'now', '+1 hour') WHERE id = '${retried.id}'`,
    );
    shift(database, ['created', 'updated']);
    database.exec(`UPDATE global_queue SET run_at = created WHERE id = '${now.id}'`);
    database.exec(
      `UPDATE global_queue SET run_at = strftime('%Y-%m-%d %H:%M:%fZ', run_at, '+1 year') WHERE id = '${retried.id}'`,
    );
    await stage.hooks.call('configure', { paused: false });
    await stage.withWorker(async () => {
      await stage.until(now.id, 'done');
      const waitsMs = Date.parse(String((await stage.get(retried.id)).run_at)) - Date.now();
      expect(waitsMs).toBeGreaterThan(0);
      expect(waitsMs).toBeLessThanOrEqual(3_600_000);
      expect(await stage.get(asked.id)).toMatchObject({
        status: 'pending',
        run_at: '2999-01-01T00:00:00.000Z',
      });
    });
    database.exec('DELETE FROM global_queue');
  });

  it('is watched through, and what is finished is removed in time', async () => {
    using database = stage.database();
    const finished = stage.row();
    await stage.hooks.call('enqueue', finished);
    await stage.hooks.call('cancel', { id: finished.id });
    shift(database);
    const published: string[] = [];
    const store = new AheadStore({
      hooks: stage.hooks,
      seal: () => '',
    });
    const watch = new QueueWatch({
      store,
      clock: systemClock,
      log: pino({ level: 'silent' }),
      publish: (event) => event.kind === 'queue.task' && published.push(event.task.id),
    });
    const end = watch.watch();
    await until(() => store.asked, { what: 'the first look' });
    const added = stage.row();
    await stage.hooks.call('enqueue', added);
    await until(() => published.includes(added.id), { what: 'the new task to be published' });
    end();
    await watch.stop();
    await stage.hooks.call('prune', { finished_days: 7, dead_days: 90, limit: 10 });
    expect(Date.parse(String((await stage.get(finished.id)).finished_at))).toBeLessThanOrEqual(Date.now());
    database.exec('DELETE FROM global_queue');
  });
});

/** Its clock was ahead when it was asked first. */
class AheadStore extends TaskStore {
  asked = false;

  override async readStats() {
    const stats = await super.readStats();
    if (this.asked) return stats;
    this.asked = true;
    return { ...stats, now: new Date(Date.now() + YEAR_MS).toISOString() };
  }
}

it('a name that leads to this host is as little connected to as its address', async () => {
  await stage.withWorker(async (worker) => {
    const smtp = { host: 'localhost', port: 9 };
    const mail = { smtp, from: 'a@example.com', to: 'b@example.com' };
    for (const [type, payload] of [
      ['http.request', { url: 'http://localhost:9/' }],
      ['http.request', { url: 'https://localhost./' }],
      ['mail.send', mail],
    ] as const) {
      const task = { ...stage.row(), type, payload: JSON.stringify(payload) };
      await worker.add(task);
      const { last_error, attempts } = await stage.until(task.id, 'dead');
      expect(attempts).toBe(1);
      expect(last_error).toContain('QUEUE_ALLOWED_TARGETS=localhost');
    }
  });
});
