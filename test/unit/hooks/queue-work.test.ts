import { beforeEach, describe, expect, it } from 'vitest';
import { taskSchema } from '../../../shared/api/queue.ts';
import type { NewTaskRow, Outcome } from '../../../shared/hooks/queue-operations.ts';
import { QueueDatabase } from './queue-database.ts';

const ONE = { worker: 'one', lease_ms: 60_000 };
const TWO = { worker: 'two', lease_ms: 60_000 };
const FAILURE = { error: '{"message":"m"}', signature: 's' };

let queue: QueueDatabase;
let count = 0;

beforeEach(() => {
  queue = new QueueDatabase();
});

function add(row: Partial<NewTaskRow> = {}): string {
  count += 1;
  const id = `task${String(count).padStart(11, '0')}`;
  const task = { id, type: 'noop', payload: '{}', priority: 0, max_attempts: 2, timeout_s: 60, ...row };
  queue.call('enqueue', task);
  return task.id;
}

const claim = (worker = ONE, rescue = false) => queue.call('claim', { ...worker, rescue });
const get = (id: string) => queue.call('get', { id }).task;

function settle(id: string, epoch: number, outcome: Outcome, claimsNext = false, worker = ONE) {
  return queue.call('settle', { ...worker, id, epoch, outcome, claim: claimsNext });
}

/** Sets a column of a task to a time relative to now. */
function setTime(id: string, column: string, offset: string): void {
  const text = `UPDATE global_queue SET ${column} = strftime('%Y-%m-%d %H:%M:%fZ', 'now', ?) WHERE id = ?`;
  queue.sql.prepare(text).run(offset, id);
}

describe('a claim', () => {
  it('returns the task with its lease', () => {
    queue.sql.exec("INSERT INTO users VALUES ('user00000000001', 'a@example.com', 'Ada')");
    const id = add({ payload: '{"a":1}', sealed: 'v1.envelope', user_id: 'user00000000001' });
    expect(claim().task).toMatchObject({
      id,
      payload: { a: 1 },
      sealed: 'v1.envelope',
      attempt: 1,
      epoch: 1,
      user: { id: 'user00000000001', email: 'a@example.com', name: 'Ada' },
    });
    expect(taskSchema.safeParse(get(id)).error).toBeUndefined();
    expect(get(id)).toMatchObject({ status: 'processing', worker_id: 'one', secret: true });
  });

  it('takes the highest priority, then the earliest time', () => {
    const [low, high] = [add(), add({ priority: 5 })];
    setTime(low, 'run_at', '-1 hours');
    expect([claim().task?.id, claim().task?.id]).toEqual([high, low]);
  });

  it('returns null while the queue is paused or as many tasks run as may', () => {
    const ids = [add(), add(), add()];
    queue.call('configure', { paused: true });
    expect(claim().task).toBeNull();
    queue.call('configure', { paused: false, max_running: 2 });
    expect([claim(), claim(TWO), claim()].map(({ task }) => task?.id)).toEqual([ids[0], ids[1], undefined]);
  });

  it('changes nothing when the request has timed out', () => {
    const id = add();
    expect(queue.call('claim', ONE, Date.now() - 1).task).toBeNull();
    expect(get(id)?.status).toBe('pending');
  });

  it('says how long the next task has to wait', () => {
    const id = add();
    setTime(id, 'run_at', '+60 seconds');
    const { task, due_in_ms } = claim();
    expect(task).toBeNull();
    expect(due_in_ms).toBeGreaterThan(0);
    expect(due_in_ms).toBeLessThanOrEqual(60_000);
  });

  it('releases tasks that the worker does not know, without counting an attempt', () => {
    const id = add();
    claim();
    const again = queue.call('claim', { ...ONE, held: [] });
    expect(again.task).toMatchObject({ id, attempt: 1, epoch: 2 });
    expect(queue.call('claim', { ...ONE, held: [`${id}:2`] }).task).toBeNull();
  });
});

describe('the end of an attempt', () => {
  it('stores the result and claims the next task', () => {
    const [first, second] = [add(), add()];
    claim();
    const { accepted, task } = settle(first, 1, { kind: 'done', result: '{"a":1}', answer: 'ok' }, true);
    expect([accepted, task?.id]).toEqual([true, second]);
    expect(get(first)).toMatchObject({ status: 'done', result: { a: 1 }, answer: 'ok', progress: 100 });
  });

  it.each<Outcome>([
    { kind: 'done', result: 'null' },
    { kind: 'retry', ...FAILURE, delay_ms: 60_000 },
    { kind: 'dead', ...FAILURE },
    { kind: 'cancelled' },
    { kind: 'returned' },
  ])('is accepted again after a lost response: $kind', (outcome) => {
    const id = add();
    claim();
    expect(settle(id, 1, outcome).accepted).toBe(true);
    const after = get(id);
    expect(settle(id, 1, outcome).accepted).toBe(true);
    expect(get(id)).toEqual(after);
  });

  it('is refused when another worker has the task', () => {
    const id = add();
    claim();
    setTime(id, 'lease_expires_at', '-1 seconds');
    expect(claim(TWO, true).task).toMatchObject({ id, epoch: 2 });
    expect(settle(id, 1, { kind: 'done', result: '1' }).accepted).toBe(false);
    expect(get(id)).toMatchObject({ status: 'processing', worker_id: 'two' });
  });

  it.each([
    ['retry', 'pending', 1],
    ['returned', 'pending', 0],
    ['cancelled', 'cancelled', 1],
    ['dead', 'dead', 1],
  ] as const)('moves the task: %s to %s', (kind, status, attempts) => {
    const id = add();
    claim();
    settle(id, 1, kind === 'retry' || kind === 'dead' ? { kind, ...FAILURE, delay_ms: 0 } : { kind });
    expect(get(id)).toMatchObject({ status, attempts });
  });

  it('does not retry a task that was cancelled in the meantime', () => {
    const id = add();
    claim();
    expect(queue.call('cancel', { id })).toMatchObject({ changed: true, task: { status: 'processing' } });
    settle(id, 1, { kind: 'retry', ...FAILURE, delay_ms: 0 });
    expect(get(id)?.status).toBe('cancelled');
  });

  it('keeps the last fifty errors', () => {
    const id = add();
    const errors = JSON.stringify(Array.from({ length: 50 }, (_, n) => ({ message: String(n) })));
    queue.sql.prepare('UPDATE global_queue SET errors = ? WHERE id = ?').run(errors, id);
    claim();
    settle(id, 1, { kind: 'retry', error: '{"message":"last"}', signature: 's', delay_ms: 0 });
    expect(get(id)?.errors?.map(({ message }) => message)).toEqual([
      ...Array.from({ length: 49 }, (_, n) => String(n + 1)),
      'last',
    ]);
    expect(get(id)?.last_error).toBe('last');
  });
});

describe('a heartbeat', () => {
  it('renews leases, and names lost and cancelled ones', () => {
    const [running, cancelled] = [add(), add()];
    claim();
    claim();
    queue.call('cancel', { id: cancelled });
    const leases = [
      { id: running, epoch: 1, progress: 40, message: 'half' },
      { id: cancelled, epoch: 1, progress: null, message: null },
      { id: running, epoch: 7, progress: null, message: null },
    ];
    expect(queue.call('heartbeat', { ...ONE, leases })).toEqual({ lost: [running], cancelled: [cancelled] });
    expect(get(running)).toMatchObject({ progress: 40, progress_message: 'half' });
  });

  it('writes no lease longer than a minute', () => {
    const id = add();
    claim({ worker: 'one', lease_ms: 3_600_000 });
    const end = Date.parse(get(id)?.lease_expires_at ?? '');
    expect(end).toBeLessThanOrEqual(Date.now() + 60_000);
  });
});

describe('an expired lease', () => {
  it.each([
    ['attempts are left', 2, 'processing'],
    ['no attempts are left', 1, 'dead'],
  ])('ends the attempt when %s', (_, max_attempts, status) => {
    const id = add({ max_attempts });
    claim();
    setTime(id, 'lease_expires_at', '-1 seconds');
    claim(TWO, true);
    expect(get(id)).toMatchObject({ status, errors: [{ code: 'lease_lost', worker: 'one', attempt: 1 }] });
  });

  it('cancels a task whose cancellation was requested', () => {
    const id = add();
    claim();
    queue.call('cancel', { id });
    setTime(id, 'lease_expires_at', '-1 seconds');
    expect(claim(TWO, true).task).toBeNull();
    expect(get(id)?.status).toBe('cancelled');
  });
});

describe('after the clock was set back', () => {
  it('a lease from the future is shortened to the longest one', () => {
    const id = add();
    claim();
    setTime(id, 'lease_expires_at', '+1 days');
    claim(TWO, true);
    expect(Date.parse(get(id)?.lease_expires_at ?? '')).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  it('a retry keeps the rest of its delay, and a requested time stays', () => {
    const [retried, scheduled] = [add(), add()];
    for (const column of ['created', 'updated']) {
      setTime(retried, column, '+1 days');
      setTime(scheduled, column, '+1 days');
    }
    queue.sql.prepare('UPDATE global_queue SET attempts = 1 WHERE id = ?').run(retried);
    setTime(retried, 'run_at', '+87000 seconds');
    setTime(scheduled, 'run_at', '+2 days');
    const before = get(scheduled)?.run_at;
    claim(TWO, true);
    const delay = Date.parse(get(retried)?.run_at ?? '') - Date.now();
    expect(delay).toBeGreaterThan(500_000);
    expect(delay).toBeLessThanOrEqual(700_000);
    expect(get(scheduled)?.run_at).toBe(before);
  });
});

it('adds a task and claims it in one request', () => {
  const row = {
    id: 'task-direct0000',
    type: 'noop',
    payload: '{}',
    priority: 0,
    max_attempts: 1,
    timeout_s: 1,
  };
  const { added, task } = queue.call('add-and-claim', { ...ONE, row });
  expect([added.created, added.task?.id, task?.id]).toEqual([true, row.id, row.id]);
});
