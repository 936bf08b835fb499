import { describe, expect, it, onTestFinished } from 'vitest';
import { MAX_RETRY_AFTER_MS } from '../../daemon/queue/runner/messages.ts';
import { taskSchema } from '../../shared/queue-protocol.ts';
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
    const complaints = await stage.withWorker(async (worker) => {
      const stuck = stage.row();
      await worker.add(stuck);
      await stage.told(2);
      const next = stage.row();
      await worker.add(next);
      await stage.until(next.id, 'done');
      expect(await stage.get(stuck.id)).toMatchObject({ status: 'processing' });
      await stage.hooks.call('cancel', { id: stuck.id });
    });
    expect(complaints).toContain('its lease runs out');
  });

  it('does not hold up a stop: what the disk has no room for is left to its lease', async () => {
    refusing(`OLD.status = 'processing' AND NEW.status <> 'processing'`, 'database or disk is full');
    const task = stage.row();
    // Ends with a stop, which is waited for.
    const complaints = await stage.withWorker(async (worker) => {
      await worker.add(task);
      await until(() => stage.hooks.asked.filter((name) => name === 'settle').length > 1, {
        what: 'it to be told',
      });
    });
    expect(complaints).toContain('stopped without the ends of these tasks');
    expect(await stage.get(task.id)).toMatchObject({ status: 'processing' });
  });
});
