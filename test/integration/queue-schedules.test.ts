import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { call, signUp } from '../helpers/http-call.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;

beforeAll(async () => {
  ({ fathom, daemon, admin } = await startedDeployment());
});

afterAll(() => fathom.dispose());

async function superuser<T>(work: (client: PocketBase) => Promise<T>): Promise<T> {
  const client = new PocketBase(fathom.globalUrl);
  await client.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
  return work(client);
}

const schedules = async () => (await fathom.client.schedules.list()).items;

describe('schedules', () => {
  const task = { type: 'noop', user_id: 'a'.repeat(15) };

  it('are refused for a user who is not there, and go with the one they work for', async () => {
    const set = { cron: '0 3 * * *', task };
    await expect(fathom.client.schedules.set('theirs', set)).rejects.toMatchObject({
      code: 'not_found',
      message: textWith(task.user_id),
    });
    const { user } = await signUp(fathom.url, 'scheduled@example.com');
    await fathom.client.schedules.set('theirs', { ...set, task: { ...task, user_id: user.id } });
    const listed = await fathom.client.schedules.list();
    expect(listed).toMatchObject({ page: 1, per_page: 500, total: 1, items: [{ name: 'theirs' }] });
    expect((await call('DELETE', `${fathom.url}/api/v1/users/${user.id}`, { token: admin })).status).toBe(
      204,
    );
    expect(await schedules()).toEqual([]);
  });

  it('that were stored for an unknown user log it when they are due, and do not run', async () => {
    const times = { cron: '0 3 * * *', timezone: 'UTC', next_run_at: '2024-01-15 03:00:00.000Z' };
    await superuser((client) =>
      client.collection('queue_schedules').create({ name: 'orphan', task, ...times }),
    );
    // Another one has the daemon look at all of them.
    await fathom.client.schedules.set('later', { cron: '0 3 * * *', task: { type: 'noop' } });
    await until(
      () => logLines(daemon.output()).some(({ level, msg }) => level === WARN && msg.includes("'orphan'")),
      { what: () => daemon.output() },
    );
    const orphan = (await schedules()).find(({ name }) => name === 'orphan');
    expect(orphan?.last_run_at).toBeNull();
    expect(Date.parse(String(orphan?.next_run_at))).toBeGreaterThan(Date.now());
    for (const name of ['orphan', 'later']) await fathom.client.schedules.delete(name);
  });

  it('add their task when it is due; what a daemon missed is made up for once', async () => {
    const path = `${fathom.url}/api/v1/queue/schedules/tick`;
    const body = {
      cron: '0 3 * * *',
      timezone: 'Europe/Berlin',
      task: { type: 'http.request', payload: {} },
    };
    const set = await call<{ next_run_at: string }>('PUT', path, { token: admin, body });
    expect(set.status).toBe(200);
    expect(Date.parse(set.body.next_run_at)).toBeGreaterThan(Date.now());
    expect((await call('PUT', path, { token: admin, body: { ...body, cron: 'not a time' } })).status).toBe(
      400,
    );

    // Three days late, as after a daemon that was down.
    await superuser(async (client) => {
      const row = await client.collection('queue_schedules').getFirstListItem("name = 'tick'");
      const late = new Date(Date.now() - 3 * 86_400_000).toISOString().replace('T', ' ');
      await client.collection('queue_schedules').update(row.id, { next_run_at: late });
    });
    const before = await fathom.client.queue.list({ type: 'http.request', per_page: 1 });
    await daemon.stop();
    await fathom.start();
    await until(
      async () =>
        (await fathom.client.queue.list({ type: 'http.request', per_page: 1 })).total > before.total,
      {
        what: 'the missed run to be made up for',
      },
    );
    const listed = await call<{ items: { name: string; next_run_at: string }[] }>(
      'GET',
      `${fathom.url}/api/v1/queue/schedules`,
      { token: admin },
    );
    expect(Date.parse(String(listed.body.items[0]?.next_run_at))).toBeGreaterThan(Date.now());
    const after = await fathom.client.queue.list({ type: 'http.request', per_page: 1 });
    expect(after.total).toBe(before.total + 1);
    expect((await call('DELETE', path, { token: admin })).status).toBe(204);
    expect((await call('DELETE', path, { token: admin })).status).toBe(404);
  });
});

const DUE = '2024-01-15 03:00:00.000Z';
const DAILY = '0 3 * * *';

/** Writes schedules past the API's own checks, and has the daemon look at them. */
async function byHand(
  rows: readonly { name: string; cron?: string; timezone?: string; task?: unknown; next_run_at?: string }[],
) {
  await superuser(async (client) => {
    for (const row of rows) {
      const defaults = { cron: DAILY, timezone: 'UTC', task: { type: 'noop' }, next_run_at: DUE };
      await client.collection('queue_schedules').create({ ...defaults, ...row });
    }
  });
  await fathom.client.schedules.set('look', { cron: DAILY, task: { type: 'noop' } });
}

async function removeAll() {
  for (const { name } of await schedules()) await fathom.client.schedules.delete(name);
}

describe('a schedule that cannot run', () => {
  it.each(['2030-01-01T00:00:00', '2030-01-01T00:00:00Z', '0 0 0 1 1 * 2030', '0 0 30 2 *'])(
    'is refused (%s)',
    async (cron) => {
      const path = `${fathom.url}/api/v1/queue/schedules/once`;
      const body = { cron, task: { type: 'noop' } };
      expect(await call('PUT', path, { token: admin, body })).toMatchObject({
        status: 400,
        body: { code: 'request.invalid', errors: [{ path: 'cron' }] },
      });
    },
  );

  it('does not keep the others from running, and says why', async () => {
    await byHand([
      { name: 'a-once', cron: '2024-01-15T03:00:00' },
      { name: 'b-no-cron', cron: 'every day' },
      { name: 'c-no-zone', timezone: 'Nowhere/Nothing' },
      { name: 'd-no-type', task: { type: '../../etc' } },
      { name: 'e-no-object', task: 5 },
      { name: 'z-good' },
    ]);
    const listed = await until(
      async () => {
        const items = new Map((await schedules()).map((schedule) => [schedule.name, schedule]));
        return items.get('z-good')?.last_run_at ? items : null;
      },
      { what: 'the last of them to run' },
    );
    expect(listed.get('z-good')?.error).toBeUndefined();
    // What names one time runs that time, and never again.
    expect(listed.get('a-once')).toMatchObject({
      next_run_at: null,
      last_run_at: expect.any(String) as string,
      error: expect.any(String) as string,
    });
    for (const name of ['b-no-cron', 'c-no-zone', 'd-no-type', 'e-no-object']) {
      expect(listed.get(name)).toMatchObject({ last_run_at: null, error: expect.any(String) as string });
    }
    await removeAll();
  });
});

const years = (count: number) =>
  new Date(Date.now() + count * 365 * 86_400_000).toISOString().replace('T', ' ');
/** Milliseconds from now. */
const next = async (name: string) =>
  Date.parse(String((await schedules()).find((schedule) => schedule.name === name)?.next_run_at)) -
  Date.now();

describe('a clock that was set back', () => {
  it('leaves no schedule with a run later than its next one', async () => {
    await byHand([
      { name: 'daily', next_run_at: years(2) },
      { name: 'every-minute', cron: '* * * * *', next_run_at: years(2) },
      { name: 'leap-day', cron: '0 0 29 2 *', next_run_at: years(20) },
      { name: 'once-later', cron: '2999-01-01T00:00:00', next_run_at: '2999-01-01 00:00:00.000Z' },
    ]);
    await until(async () => (await next('leap-day')) < 9 * 365 * 86_400_000, { what: 'them to be moved' });
    expect(await next('daily')).toBeLessThanOrEqual(86_400_000);
    expect(await next('every-minute')).toBeLessThanOrEqual(60_000);
    expect(await next('once-later')).toBeGreaterThan(20 * 365 * 86_400_000);
    await removeAll();
  });
});

describe('a task or schedule', () => {
  it('that can only fail is added with a warning, over the API and the command line', async () => {
    await fathom.client.queue.pause();
    const { user, database } = await signUp(fathom.url, 'warned@example.com');
    await fathom.client.databases.delete(database.name);
    for (const [task, warning] of [
      [{ type: 'database.vacuum' }, /'database\.vacuum'.*user_id/],
      [{ type: 'database.vacuum', user_id: user.id }, /database\.provision/],
      [{ type: 'no.such' }, /'no\.such'/],
      [{ type: 'http.request', payload: { url: 'ftp://a.example/' } }, /url/],
    ] as const) {
      const added = await fathom.client.queue.add(task);
      expect(added.warning).toMatch(warning);
      expect((await fathom.client.queue.get(added.id)).warning).toMatch(warning);
      expect((await fathom.client.schedules.set('warned', { cron: DAILY, task })).warning).toMatch(warning);
      expect((await schedules())[0]?.warning).toMatch(warning);
    }
    const socket = ['--socket', fathom.socketPath];
    const add = await fathomd(['queue', 'add', 'database.vacuum', ...socket]);
    const schedule = await fathomd([
      'queue',
      'schedule',
      'warned',
      'database.vacuum',
      '--cron',
      DAILY,
      ...socket,
    ]);
    for (const { stderr, exitCode } of [add, schedule]) {
      expect({ stderr, exitCode }).toMatchObject({
        stderr: textWith('warning: ', "'database.vacuum'"),
        exitCode: 0,
      });
    }
    await removeAll();
  });

  it('whose payload is nested too deep for the database, or whose time is none, is refused', async () => {
    const deep = `${'['.repeat(2_000)}${']'.repeat(2_000)}`;
    const body = `{"type":"noop","payload":${deep}}`;
    const at = (path: string) => `${fathom.url}/api/v1/queue/${path}`;
    const refused = { status: 400, body: { code: 'request.invalid' } };
    expect(await call('POST', at('tasks'), { token: admin, body })).toMatchObject(refused);
    const schedule = { token: admin, body: `{"cron":"${DAILY}","task":${body}}` };
    expect(await call('PUT', at('schedules/deep'), schedule)).toMatchObject(refused);
    const late = { type: 'noop', run_at: '9999-12-31T23:59:59-01:00' };
    expect(await call('POST', at('tasks'), { token: admin, body: late })).toMatchObject(refused);
    const payload = JSON.parse(`${'['.repeat(400)}${']'.repeat(400)}`) as unknown;
    const kept = await fathom.client.queue.add({ type: 'noop', payload });
    expect((await fathom.client.queue.get(kept.id)).payload).toEqual(payload);
  });
});
