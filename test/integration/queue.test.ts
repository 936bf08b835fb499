import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../shared/api/queue.ts';
import { FathomError } from '../../shared/errors.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { fathomd as run } from '../helpers/fathomd.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, signUp } from '../helpers/http-call.ts';
import { logLines } from '../helpers/log-lines.ts';
import { readMetrics } from '../helpers/metrics.ts';
import { finished, TEST_TASKS } from '../helpers/queue.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
/** The one that runs when a test begins. */
let daemon: Daemon;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment({ FATHOM_TASKS_DIR: TEST_TASKS, LOG_LEVEL: 'info' }));
});

afterAll(() => fathom.dispose());

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FathomError) return error.code;
    throw error;
  }
  throw new Error('it was allowed');
}

describe('a task', () => {
  it('is run by a handler of the administrator and is done, with its result', async () => {
    const added = await fathom.client.queue.add({ type: 'noop' });
    expect(added).toMatchObject({ status: 'pending', type: 'noop', attempts: 0, max_attempts: 5 });
    const task = await finished(fathom, added.id);
    expect(task).toMatchObject({ status: 'done', attempts: 1, progress: 100, result: null, errors: null });
  });

  it('works on the database of its user, as its superuser', async () => {
    const session = await signUp(fathom.url, 'worked@example.com');
    const { id } = await fathom.client.queue.add({
      type: 'notes',
      payload: { title: 'from a task' },
      user_id: session.user.id,
    });
    const task = await finished(fathom, id);
    expect(task).toMatchObject({ status: 'done', result: { email: 'worked@example.com' } });
  });

  it('can be seen by the user it belongs to, and by no other', async () => {
    const mine = await signUp(fathom.url, 'mine@example.com');
    const other = await signUp(fathom.url, 'other@example.com');
    const task = await fathom.client.queue.add({ type: 'noop', user_id: mine.user.id });
    const path = `${fathom.url}/api/v1/queue/tasks`;
    const listed = await call<{ items: Task[] }>('GET', path, { token: mine.token });
    expect(listed.body.items.map(({ id }) => id)).toEqual([task.id]);
    expect((await call('GET', `${path}/${task.id}`, { token: mine.token })).status).toBe(200);
    expect((await call('GET', `${path}/${task.id}`, { token: other.token })).status).toBe(403);
    expect((await call('POST', path, { token: mine.token, body: { type: 'noop' } })).status).toBe(404);
    expect((await call('GET', path)).status).toBe(401);
  });

  it('whose handler is not there is dead at once, and says what to do', async () => {
    const { id, warning } = await fathom.client.queue.add({ type: 'no.such.thing' });
    expect(warning).toEqual(textWith("'no.such.thing'", 'database.provision, ', ' noop,'));
    const task = await finished(fathom, id);
    expect(task).toMatchObject({ status: 'dead', attempts: 1 });
    expect(task.errors?.[0]?.message).toContain('no.such.thing.ts');
  });

  it('of an unknown user is refused', async () => {
    const work = fathom.client.queue.add({ type: 'noop', user_id: 'a'.repeat(15) });
    expect(await refusal(work)).toBe('not_found');
  });
});

async function attempt(
  way: string,
  more: { max_attempts?: number; timeout_s?: number } = {},
  payload: object = {},
): Promise<Task> {
  const { id } = await fathom.client.queue.add({
    type: 'misbehave',
    payload: { way, ...payload },
    max_attempts: 1,
    timeout_s: 60,
    ...more,
  });
  const task = await finished(fathom, id);
  expect(task.status).toBe('dead');
  return task;
}

describe('a handler that goes wrong', () => {
  const ways: [way: string, timeout: number, reason: string, code: string | undefined][] = [
    ['throws', 60, 'it broke after 17 steps', undefined],
    ['never', 1, '1 s', 'timeout'],
    ['late', 1, '1 s', 'timeout'],
    ['blocks', 1, '1 s', 'timeout'],
    ['exits', 60, 'process.exit(7)', 'exit'],
    ['eats', 60, ' MB', 'memory_limit'],
    ['buffers', 60, ' MB', 'memory_limit'],
    ['leaves', 60, 'nobody caught this', 'uncaught'],
  ];
  for (const [way, timeout_s, reason, code] of ways) {
    it(`and ${way} fails the task with the reason`, async () => {
      const task = await attempt(way, { timeout_s });
      expect(task.errors).toHaveLength(1);
      expect(task.errors?.[0]?.message).toContain(reason);
      expect(task.errors?.[0]?.code).toBe(code);
    });
  }

  it('and throws no error keeps what it says, and an error its causes', async () => {
    const [odd, caused] = [await attempt('throwsObject'), await attempt('throwsCause')];
    expect(odd).toMatchObject({ last_error: 'no error at all', errors: [{ code: 'E_ODD' }] });
    expect(caused).toMatchObject({
      last_error: 'could not save',
      errors: [{ causes: ['Error: the other side is away'] }],
    });
  });

  it.each(['deep', 'circular'])('and returns what is no JSON (%s) is not tried again', async (way) => {
    const task = await attempt(way, { max_attempts: 5 }, { depth: 5_000 });
    expect(task).toMatchObject({ attempts: 1, errors: [{ name: 'UnrecoverableError' }] });
  });

  it('is tried again until its attempts are used up, and each error is kept', async () => {
    const task = await attempt('throws', { max_attempts: 3 });
    expect(task.attempts).toBe(3);
    expect(task.errors?.map((error) => error.attempt)).toEqual([1, 2, 3]);
    expect(task.error_signature).toBe('misbehave: it broke after # steps');
    expect(task.last_error).toBe('it broke after 17 steps');
    expect(logLines(daemon.output())).toContainEqual(
      expect.objectContaining({ task: task.id, outcome: 'dead', msg: textWith('it broke after 17 steps') }),
    );
  });

  it('is not tried again after an UnrecoverableError', async () => {
    const task = await attempt('unrecoverable', { max_attempts: 5 });
    expect(task.attempts).toBe(1);
  });

  it('can be retried by hand, one by one or by its error', async () => {
    const dead = await attempt('unrecoverable');
    const again = await fathom.client.queue.retry(dead.id);
    expect(['pending', 'processing', 'dead']).toContain(again.status);
    const twice = await finished(fathom, dead.id);
    expect(twice).toMatchObject({ status: 'dead', attempts: 1 });
    expect(twice.errors).toHaveLength(2);

    const { items: groups, ...page } = await fathom.client.queue.dead();
    expect(page).toEqual({ page: 1, per_page: 500, total: groups.length });
    const group = groups.find(({ signature }) => signature === dead.error_signature);
    expect(group?.count).toBeGreaterThanOrEqual(1);
    const { ids } = await fathom.client.queue.retryDead({ signature: String(dead.error_signature) });
    expect(ids).toContain(dead.id);
    expect((await finished(fathom, dead.id)).errors).toHaveLength(3);
  });
});

describe('people at the queue', () => {
  it('cancel a waiting task, and nothing that is over', async () => {
    const { id } = await fathom.client.queue.add({ type: 'noop', run_at: '2999-01-01T00:00:00Z' });
    expect(await fathom.client.queue.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect(await refusal(fathom.client.queue.cancel(id))).toBe('conflict');
    expect(await refusal(fathom.client.queue.retry(id))).toBe('conflict');
    expect(await refusal(fathom.client.queue.get('a'.repeat(15)))).toBe('not_found');
  });

  it.each(['never', 'blocks'])('cancel a running task that %s', async (way) => {
    const { id } = await fathom.client.queue.add({ type: 'misbehave', payload: { way } });
    await untilStatus(id, 'processing');
    await fathom.client.queue.cancel(id);
    const task = await finished(fathom, id);
    expect(task.status).toBe('cancelled');
  });

  it('pause it, also over a restart, and go on', async () => {
    expect(await fathom.client.queue.pause()).toMatchObject({ paused: true });
    const { id } = await fathom.client.queue.add({ type: 'noop' });
    await fathom.client.queue.stats();
    await daemon.stop();
    daemon = await fathom.start();
    expect(await fathom.client.queue.stats()).toMatchObject({ paused: true });
    expect(await fathom.client.queue.get(id)).toMatchObject({ status: 'pending', attempts: 0 });
    await fathom.client.queue.resume();
    expect(await finished(fathom, id)).toMatchObject({ status: 'done' });
  });

  it('get one task for one key, however many ask at a time', async () => {
    await fathom.client.queue.pause();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => fathom.client.queue.add({ type: 'noop', unique_key: 'only one' })),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    await fathom.client.queue.resume();
    const [first] = answers;
    await finished(fathom, String(first?.id));
    const next = await fathom.client.queue.add({ type: 'noop', unique_key: 'only one' });
    expect(next.id).not.toBe(first?.id);
  });

  it('see the numbers of a result in which a secret occurs, and not the secret', async () => {
    const payload = { way: 'numbers', secrets: { pin: '1234' } };
    const { id } = await fathom.client.queue.add({ type: 'misbehave', payload });
    expect(await finished(fathom, id)).toMatchObject({
      status: 'done',
      result: { order: 12_345, paid: true, note: 'pin [secret]' },
    });
  });

  it('never see what is secret, anywhere', async () => {
    const key = 'correct-horse-battery-staple';
    const { id } = await fathom.client.queue.add({
      type: 'misbehave',
      payload: { way: 'tells', secrets: { key } },
      max_attempts: 1,
    });
    const task = await finished(fathom, id);
    expect(task.payload).toEqual({ way: 'tells' });
    expect(task.secret).toBe(true);
    expect(task.errors?.[0]?.message).toBe('refused [secret]');
    expect(JSON.stringify(task)).not.toContain(key);
    expect(daemon.output()).not.toContain(key);
  });
});

async function fathomd(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await run([...args, '--socket', fathom.socketPath]);
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

describe('fathomd queue', () => {
  it('adds, shows, cancels and lists tasks', async () => {
    const { user } = await signUp(fathom.url, 'listed@example.com');
    await fathomd('queue', 'pause');
    const add = ['queue', 'add', 'noop', '--payload', '{"days": 7}', '--user', user.id, '--json'];
    const added = JSON.parse(await fathomd(...add)) as Task;
    expect(await fathomd('queue', 'show', added.id)).toContain('payload   {"days":7}');
    const listed = await fathomd('queue', 'list', '--status', 'pending');
    expect(listed).toMatch(new RegExp(`^${added.id} .* ${added.updated} +listed@example\\.com`, 'm'));
    expect(await fathomd('queue', 'cancel', added.id)).toEqual(textWith(added.id, 'noop', 'cancelled'));
    await fathomd('queue', 'resume');
    expect((await fathom.client.queue.stats()).paused).toBe(false);
  });

  it('shows the dead letters by error, and puts them back', async () => {
    const payload = { way: 'unrecoverable' };
    const { id } = await fathom.client.queue.add({ type: 'misbehave', payload });
    await finished(fathom, id);
    expect(await fathomd('queue', 'list')).toMatch(new RegExp(`${id} .* the order was withdrawn$`, 'm'));
    const signature = 'misbehave: UnrecoverableError: the order was withdrawn';
    expect(await fathomd('queue', 'dead')).toContain(signature);
    expect(await fathomd('queue', 'retry', signature, '--signature')).toContain('pending');
    expect(await finished(fathom, id)).toMatchObject({ status: 'dead', attempts: 1 });
  });

  it('keeps schedules', async () => {
    const set = [
      'queue',
      'schedule',
      'nightly',
      'noop',
      '--cron',
      '0 3 * * *',
      '--timezone',
      'Europe/Berlin',
    ];
    expect(await fathomd(...set)).toMatch(/^nightly .*\d{4}-\d\d-\d\d/);
    expect(await fathomd('queue', 'schedules')).toMatch(/nightly +noop +0 3 \* \* \* +Europe\/Berlin/);
    expect(await fathomd('queue', 'unschedule', 'nightly')).toContain('nightly');
    expect(JSON.parse(await fathomd('queue', 'schedules', '--json'))).toEqual([]);
    const mistyped = ['queue', 'schedule', 'nightly', 'noob', '--cron', '0 3 * * *'];
    const { stderr } = await run([...mistyped, '--socket', fathom.socketPath]);
    expect(stderr).toEqual(textWith('warning: ', "'noob'", "'noop'"));
    expect((await fathom.client.schedules.list()).items).toMatchObject([
      { name: 'nightly', warning: textWith("'noop'") },
    ]);
    await fathom.client.schedules.delete('nightly');
  });
});

it('counts in /metrics', async () => {
  const text = await readMetrics(fathom);
  expect(text).toMatch(/^fathom_queue_tasks\{status="done"\} [1-9]/m);
  expect(text).toMatch(/^fathom_queue_paused 0$/m);
});

async function untilStatus(id: string, status: string): Promise<void> {
  await until(async () => (await fathom.client.queue.get(id)).status === status, {
    what: `${id} to be ${status}`,
  });
}
