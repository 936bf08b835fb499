import { beforeEach, describe, expect, it } from 'vitest';
import { taskSummarySchema } from '../../../shared/api/queue.ts';
import { scheduleSchema } from '../../../shared/api/schedules.ts';
import type { NewTaskRow } from '../../../shared/hooks/queue-operations.ts';
import { QueueDatabase } from './queue-database.ts';

const ROW = { type: 'noop', payload: '{}', priority: 0, max_attempts: 2, timeout_s: 60 };
const PAGE = { page: 1, per_page: 10, sort: 'created' };

let queue: QueueDatabase;

beforeEach(() => {
  queue = new QueueDatabase();
});

const add = (id: string, more: Partial<NewTaskRow> = {}) => queue.call('enqueue', { ...ROW, id, ...more });

function set(id: string, values: Record<string, string | number>): void {
  for (const [column, value] of Object.entries(values)) {
    queue.sql.prepare(`UPDATE global_queue SET ${column} = ? WHERE id = ?`).run(value, id);
  }
}

describe('adding a task', () => {
  it('returns the unfinished task with the same key', () => {
    add('first', { unique_key: 'key' });
    expect(add('second', { unique_key: 'key' })).toMatchObject({ created: false, task: { id: 'first' } });
    set('first', { status: 'done' });
    expect(add('third', { unique_key: 'key' })).toMatchObject({ created: true, task: { id: 'third' } });
  });

  it('returns null for an unknown user', () => {
    expect(add('first', { user_id: 'nobody' })).toEqual({ created: false, task: null });
  });

  it('keeps a requested time', () => {
    add('first', { run_at: '2030-01-02 03:04:05.678Z' });
    expect(queue.call('get', { id: 'first' }).task?.run_at).toBe('2030-01-02T03:04:05.678Z');
  });
});

const owned = (per_hour: number) => queue.call('count-owned', { user_id: 'ann', type: 'noop', per_hour });
const created = (minutesAgo: number) =>
  new Date(Date.now() - minutesAgo * 60_000).toISOString().replace('T', ' ');

describe('tasks by owners', () => {
  beforeEach(() => {
    queue.sql.exec("INSERT INTO users (id) VALUES ('ann'), ('bob')");
    add('a', { user_id: 'ann', by_owner: true });
    add('b', { user_id: 'ann', by_owner: true });
    add('by-administrator', { user_id: 'ann' });
    add('of-bob', { user_id: 'bob', by_owner: true });
    add('other-type', { user_id: 'ann', by_owner: true, type: 'other' });
  });

  it('are counted by owner and type, with the time until the next one', () => {
    expect(owned(3)).toEqual({ waiting: 2, free_in_ms: null });
    set('a', { created: created(50), status: 'cancelled' });
    set('b', { created: created(20) });
    const { waiting, free_in_ms } = owned(2);
    expect(waiting).toBe(1);
    expect(Math.round(Number(free_in_ms) / 60_000)).toBe(10);
    expect(Math.round(Number(owned(1).free_in_ms) / 60_000)).toBe(40);
    set('a', { created: created(61) });
    expect(owned(2).free_in_ms).toBeNull();
  });

  it('wait for an hour at most after the clock was set back', () => {
    set('a', { created: created(-10_000) });
    expect(owned(1).free_in_ms).toBeLessThanOrEqual(3_600_000);
  });

  it('are cancelled by their owner', () => {
    expect(queue.call('cancel', { id: 'a', owner: 'ann' })).toMatchObject({
      changed: true,
      task: { id: 'a' },
    });
    expect(queue.call('cancel', { id: 'a', owner: 'ann' })).toMatchObject({
      changed: false,
      task: { id: 'a' },
    });
    for (const id of ['by-administrator', 'of-bob', 'none'])
      expect(queue.call('cancel', { id, owner: 'ann' })).toEqual({ changed: false, task: null });
    expect(queue.call('cancel', { id: 'of-bob' })).toMatchObject({ changed: true });
  });
});

function list(more: object) {
  const { items, total } = queue.call('list', { ...PAGE, ...more });
  return [items.map(({ id }) => id).join(''), total];
}

describe('lists', () => {
  it('filter, sort and page', () => {
    for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) add(id, { priority: index });
    set('a', { status: 'dead', error_signature: 's' });
    expect(list({ sort: '-priority', per_page: 3 })).toEqual(['dcb', 4]);
    expect(list({ sort: '-priority', per_page: 3, page: 2 })).toEqual(['a', 4]);
    expect(list({ status: 'dead', signature: 's' })).toEqual(['a', 1]);
    expect(list({ status: 'pending', type: 'other' })).toEqual(['', 0]);
  });

  it('ignore an unknown sort column', () => {
    add('a');
    expect(queue.call('list', { ...PAGE, sort: '-id; DROP TABLE global_queue' }).total).toBe(1);
  });

  it('contain summaries, or whole tasks', () => {
    add('a', { sealed: 'v1.x' });
    const [summary] = queue.call('list', PAGE).items;
    expect(taskSummarySchema.safeParse(summary).error).toBeUndefined();
    expect(summary).not.toHaveProperty('payload');
    expect(queue.call('list', { ...PAGE, full: true }).items).toEqual([
      expect.objectContaining({ secret: true }),
    ]);
  });
});

it('lists changes from a time on, without times in the future', () => {
  for (const id of ['old', 'new', 'future']) add(id);
  set('old', { updated: '2020-01-01 00:00:00.000Z' });
  set('new', { updated: '2020-01-02 00:00:00.000Z' });
  set('future', { updated: '2999-01-01 00:00:00.000Z' });
  const { items } = queue.call('changes', { since: '2020-01-02T00:00:00.000Z', limit: 10 });
  expect(items.map(({ id }) => id)).toEqual(['new']);
});

it('counts tasks per status and changes settings', () => {
  add('a');
  add('b');
  set('b', { status: 'done' });
  expect(queue.call('configure', { paused: true, max_running: 7 })).toMatchObject({
    paused: true,
    max_running: 7,
    counts: { pending: 1, done: 1 },
  });
  expect(queue.call('stats', {})).toMatchObject({ paused: true, max_running: 7 });
});

describe('dead letters', () => {
  beforeEach(() => {
    for (const id of ['a', 'b', 'c']) {
      add(id);
      set(id, { status: 'dead', attempts: 2, error_signature: id === 'c' ? 'two' : 'one' });
      set(id, { finished_at: '2020-01-01 00:00:00.000Z' });
    }
  });

  it('are grouped by signature', () => {
    const last = '2020-01-01T00:00:00.000Z';
    expect(queue.call('dead', { page: 1, per_page: 10 })).toEqual({
      items: [
        { signature: 'one', count: 2, last },
        { signature: 'two', count: 1, last },
      ],
      total: 2,
    });
  });

  it('are retried by id or by signature, with all attempts', () => {
    expect(queue.call('retry', { id: 'c' })).toEqual({ ids: ['c'] });
    expect(queue.call('retry', { signature: 'one' }).ids.toSorted()).toEqual(['a', 'b']);
    expect(queue.call('retry', { id: 'c' })).toEqual({ ids: [] });
    expect(queue.call('get', { id: 'a' }).task).toMatchObject({ status: 'pending', attempts: 0 });
  });

  it('are removed after their time, a limited number at once', () => {
    const days = { finished_days: 7, dead_days: 30 };
    expect(queue.call('prune', { ...days, limit: 2 })).toEqual({ removed: 2 });
    expect(queue.call('prune', { ...days, limit: 2 })).toEqual({ removed: 1 });
  });

  it('from the future are kept for their time from now on', () => {
    set('a', { finished_at: '2999-01-01 00:00:00.000Z' });
    queue.call('prune', { finished_days: 7, dead_days: 30, limit: 10 });
    const { task } = queue.call('get', { id: 'a' });
    expect(Date.parse(task?.finished_at ?? '')).toBeLessThanOrEqual(Date.now());
  });
});

const tasksFor = (suffix: string) =>
  ['ann', 'bob', 'nobody'].map((user_id) => ({
    id: user_id + suffix,
    user_id,
    unique_key: `cron:nightly:${user_id}`,
  }));

describe('schedules', () => {
  const schedule = {
    id: 'schedule0000001',
    name: 'nightly',
    cron: '0 2 * * *',
    timezone: 'UTC',
    task: '{"type":"noop"}',
    all_databases: null,
    next_run_at: '2030-01-01T02:00:00.000Z',
  };
  const fire = { name: 'nightly', expected: schedule.next_run_at, next: '2030-01-02T02:00:00.000Z' };

  it('are added, replaced and removed', () => {
    expect(scheduleSchema.safeParse(queue.call('schedule', schedule).item).error).toBeUndefined();
    queue.call('schedule', { ...schedule, id: 'other', cron: '0 3 * * *' });
    expect(queue.call('schedules', {}).items).toMatchObject([{ name: 'nightly', cron: '0 3 * * *' }]);
    expect(queue.call('unschedule', { name: 'nightly' })).toEqual({ removed: true });
    expect(queue.call('unschedule', { name: 'nightly' })).toEqual({ removed: false });
  });

  it('are not added for an unknown user', () => {
    expect(queue.call('schedule', { ...schedule, user: 'nobody' })).toEqual({ item: null });
  });

  it('fire once for each time', () => {
    queue.call('schedule', schedule);
    const run = (id: string) => queue.call('fire', { ...fire, task: { ...ROW, id } });
    expect(run('a')).toMatchObject({ fired: true, created: true, task: { id: 'a' } });
    expect(run('b')).toEqual({ fired: false, task: null });
    expect(queue.call('schedules', {}).items).toMatchObject([{ next_run_at: fire.next }]);
  });

  it('over all databases add a task for each, once, and none while one is not finished', () => {
    queue.sql.exec("INSERT INTO users (id) VALUES ('ann'), ('bob')");
    queue.call('schedule', { ...schedule, all_databases: '{"spread_s":60}' });
    const stored = () => queue.call('schedules', {}).items;
    expect(stored()).toMatchObject([{ all_databases: { spread_s: 60 }, last_run_at: null }]);
    const { name, expected, next } = fire;
    const run = (suffix: string, at = expected) =>
      queue.call('fire-all', { name, expected: at, next, task: ROW, databases: tasksFor(suffix) });
    expect(run('1')).toEqual({ added: 2 });
    expect(run('2')).toEqual({ added: 0 });
    set('ann1', { status: 'done' });
    expect(run('3', next)).toEqual({ added: 1 });
    expect(['ann', 'bob'].map((user_id) => list({ user_id })[1])).toEqual([2, 1]);
    expect(stored()).toMatchObject([{ next_run_at: next, last_run_at: expect.any(String) as string }]);
    queue.call('schedule', schedule);
    expect(stored()).toMatchObject([{ all_databases: null }]);
  });

  it('over all databases keep the time of the last run while there are none', () => {
    queue.call('schedule', { ...schedule, all_databases: '{"spread_s":60}' });
    const { name, expected, next } = fire;
    expect(queue.call('fire-all', { name, expected, next, task: ROW, databases: [] })).toEqual({ added: 0 });
    expect(queue.call('schedules', {}).items).toMatchObject([{ next_run_at: next, last_run_at: null }]);
  });

  it('move to another time once', () => {
    queue.call('schedule', schedule);
    expect(queue.call('reschedule', fire)).toEqual({ moved: true });
    expect(queue.call('reschedule', fire)).toEqual({ moved: false });
  });
});
