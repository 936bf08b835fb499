import { describe, expect, it } from 'vitest';
import { NO_TASKS } from '../../shared/task.ts';
import { ago, fleetOf, globalInstance, task, wholeTask } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';
import type { StubDaemon } from './stub-daemon.ts';

const ERROR = 'shop.sync: the shop answered #';
const OWNER = { ...fleetOf(1)[0], user_id: 'u_user001' };
const DEAD = task('dead00000000001', {
  type: 'shop.sync',
  status: 'dead',
  user_id: OWNER.user_id,
  attempts: 5,
  error_signature: ERROR,
  last_error: 'the shop answered 503',
  finished_at: ago(120),
  updated: ago(120),
});

async function stubWithQueue(): Promise<StubDaemon> {
  const stub = await daemon([globalInstance(), ...fleetOf(2)]);
  stub.queue = {
    stats: { paused: false, max_running: 2, counts: { ...NO_TASKS, pending: 1, dead: 1, done: 7 } },
    tasks: [task('wait00000000001', { updated: ago(3) }), DEAD],
  };
  stub.answers.set('/api/v1/queue/dead', { items: [{ signature: ERROR, count: 1, last: ago(120) }] });
  stub.answers.set('/api/v1/queue/tasks', { items: [DEAD], page: 1, per_page: 200, total: 1 });
  return stub;
}

describe('Queue', () => {
  it('follows the queue, and asks for a new snapshot after a gap', async () => {
    const stub = await stubWithQueue();
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('3');
    await screen.shows('Pending 1', 'Dead 1', 'the shop answered 503', '7 done', '1/2');
    stub.publish({
      kind: 'queue.task',
      task: task('wait00000000001', { status: 'processing', claimed_at: ago(8), progress: 40 }),
    });
    await screen.shows('for 8 s · 40 %');
    // What was lost on the way is in the snapshot that is asked for.
    stub.queue = { ...stub.queue, tasks: [task('lost00000000001', { type: 'was.lost' }), DEAD] };
    stub.loseOne('queue');
    stub.publish({ kind: 'queue.task', task: task('next00000000001', { type: 'came.after' }) });
    await screen.shows('was.lost', 'came.after');
    await screen.hides('report.weekly');
  });

  it('groups dead letters by their error, and retries all of one after saying how many', async () => {
    const stub = await stubWithQueue();
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('3');
    await screen.shows('1/2');
    screen.press('left');
    await screen.shows(ERROR);
    screen.press('r');
    await screen.shows('Retry?', '1 dead task', ERROR);
    expect(stub.requests.some((request) => request.startsWith('POST'))).toBe(false);
    screen.press('y');
    await screen.until(() => stub.requests.includes('POST /api/v1/queue/dead/retry'));
  });

  it('opens a task with its attempts and payload, and goes on to its instance and its log then', async () => {
    const stub = await stubWithQueue();
    stub.logs.set(OWNER.name ?? '', [
      { at: ago(400), text: 'long before' },
      { at: ago(150), text: 'just before it failed' },
      { at: ago(60), text: 'after it' },
    ]);
    stub.answers.set(
      `/api/v1/queue/tasks/${DEAD.id}`,
      wholeTask(DEAD, {
        payload: { shop: 'caf\u00E9 \u001B[2J', '\u202Ekey': 1 },
        errors: [
          { at: ago(121), attempt: 5, worker: 'w1', started_at: ago(122), message: 'the shop answered 503' },
        ],
      }),
    );
    const screen = open({ url: stub.url }, { columns: 120, rows: 40 });
    await screen.shows('● live');
    screen.press('3');
    await screen.shows('1/2');
    screen.press('G', 'enter');
    await screen.shows('the shop answered 503', '5 of 5', '"shop": "café \\u001b[2J"', '"key": 1');
    screen.press('y', 'e');
    await screen.notices(DEAD.last_error ?? '');
    expect(screen.clipboard).toBe(DEAD.last_error);
    screen.press('y', 'c');
    await screen.notices(`fathomd queue show ${DEAD.id} --json`);
    expect(screen.clipboard).toBe(`bin/fathomd queue show ${DEAD.id} --json`);
    screen.press('l');
    await screen.shows('‖', 'after it');
    expect(screen.line('just before')).toContain('▸');
    screen.press('[');
    await screen.goesTo('task');
    screen.press('i');
    await screen.shows('Summary', 'user001@example.com');
  });

  it('says why only dead tasks can be retried', async () => {
    const stub = await stubWithQueue();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('3');
    await screen.shows('1/2');
    screen.press('r');
    await screen.notices();
  });

  it('walks the problems with one key', async () => {
    const stub = await stubWithQueue();
    stub.status = { queue: { ...NO_TASKS, dead: 1, pending: 7 }, queue_paused: true };
    stub.enter('2026-11-21-002-user002', 'failed', { pid: null });
    const screen = open({ url: stub.url });
    await screen.shows('● live', '1 task', '‖ paused  7 pending');
    screen.press('p');
    await screen.shows('user002@example.com', '✗ failed');
    screen.press('p');
    await screen.shows(ERROR);
    screen.press('p');
    await screen.notices('3', '7 tasks');
    screen.press('p');
    await screen.shows('user002@example.com');
  });

  it('opens every problem of the overview, those of the queue as well', async () => {
    const stub = await stubWithQueue();
    stub.status = { queue: { ...NO_TASKS, dead: 1, pending: 7 }, queue_paused: true };
    const screen = open({ url: stub.url });
    await screen.shows('● live', '▸ ▲ queue  1 task');
    screen.press('enter');
    await screen.shows(ERROR);
    screen.press('esc');
    await screen.shows('Problems');
    screen.press('j', 'enter');
    await screen.shows('Pending');
    screen.press('esc');
    await screen.shows(/▸ ▲ queue .*7 tasks/);
  });
});
