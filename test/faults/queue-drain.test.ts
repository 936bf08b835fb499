import { existsSync, readFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { HookClient } from '../../daemon/queue/store/hook-client.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { FATHOMD } from '../helpers/fathomd.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { signUp } from '../helpers/http-call.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { finished, hookAccess, isUp, startWorkers, TEST_TASKS, WORKER } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment({
    FATHOM_TASKS_DIR: TEST_TASKS,
    QUEUE_POLL_INTERVAL: '600',
  }));
});

afterAll(() => fathom.dispose());

describe('a worker of its own process', () => {
  it('works on user databases, vacuums and provisions', async () => {
    const { user, database } = await signUp(fathom.url, 'far@example.com');
    const [worker] = await startWorkers(fathom, 1, { QUEUE_POLL_INTERVAL: '1' });
    const hooks = new HookClient(hookAccess(fathom));
    onTestFinished(() => hooks.close());
    /** The daemon's own worker does not hear of the end of the pause; where it looks just then, another task is added. */
    const run = (type: string, payload: unknown = {}) =>
      until(
        async () => {
          await fathom.client.queue.pause();
          const { id } = await fathom.client.queue.add({ type, payload, user_id: user.id });
          await hooks.call('configure', { paused: false });
          const task = await finished(fathom, id);
          return task.worker_id?.includes(`:${worker?.pid}:`) ? task : null;
        },
        { what: `the worker to run ${type}` },
      );
    expect(await run('notes', { title: 'from afar' })).toMatchObject({
      status: 'done',
      result: { email: 'far@example.com' },
    });
    expect(await run('database.vacuum')).toMatchObject({ status: 'done' });
    expect(await run('database.provision')).toMatchObject({
      status: 'done',
      result: { database: database.name },
    });
    expect(await worker?.stop(), worker?.output()).toBe(0);
  });
});

describe('a worker that never gets to look for tasks', () => {
  it('reports that the control plane does not answer, and ends on SIGTERM', async () => {
    const worker = fathom.launch({ PB_GLOBAL_PORT: '1', QUEUE_POLL_INTERVAL: '1' }, WORKER);
    await until(() => logLines(worker.output()).some((line) => line['worker'] !== undefined), {
      what: () => worker.output(),
    });
    worker.signal('SIGTERM');
    expect(await worker.exited, worker.output()).toBe(0);
    expect(isUp(worker)).toBe(false);
  });

  it('ends with exit code 78 when its secret is not that of the daemon', async () => {
    const worker = fathom.launch({ JWT_SECRET: 'another secret of more than 32 bytes' }, WORKER);
    expect(await worker.exited, worker.output()).toBe(78);
    expect(worker.output()).toContain('JWT_SECRET');
  });
});

describe('the topic queue', () => {
  it('brings a snapshot and every change after it, and to a user only the own tasks', async () => {
    const { user, token } = await signUp(fathom.url, 'watcher@example.com');
    const admin = subscribe(`ws+unix:${fathom.socketPath}:/ws`);
    const watcher = subscribe(`${fathom.url.replace('http', 'ws')}/ws`, token);
    await until(() => admin.frames.length > 1 && watcher.frames.length > 1, { what: 'the snapshots' });
    expect(admin.frames[0]).toMatchObject({
      type: 'snapshot',
      topic: 'queue',
      seq: 1,
      data: { stats: { paused: false } },
    });
    expect(watcher.frames[0]).toMatchObject({ type: 'snapshot', data: { stats: null, tasks: [] } });
    const foreign = await fathom.client.queue.add({ type: 'noop' });
    const own = await fathom.client.queue.add({ type: 'noop', user_id: user.id });
    await until(
      () =>
        mentions(admin.frames, foreign.id) &&
        mentions(admin.frames, own.id) &&
        mentions(watcher.frames, own.id),
      {
        what: 'the tasks to be published',
      },
    );
    expect(JSON.stringify(watcher.frames)).not.toContain(foreign.id);
    admin.close();
    watcher.close();
  });
});

describe('a daemon that is stopped', () => {
  it('lets a running task finish', async () => {
    const file = join(fathom.filesDir, 'notes.jsonl');
    const { id } = await fathom.client.queue.add({ type: 'interval', payload: { file, ms: 1_500 } });
    await until(() => existsSync(file), { what: 'the handler to have begun' });
    expect(await daemon.stop(), daemon.output()).toBe(0);
    daemon = await fathom.start();
    expect(await fathom.client.queue.get(id)).toMatchObject({ status: 'done', attempts: 1 });
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it('gives back what does not end in time, without counting the attempt', async () => {
    const { id } = await fathom.client.queue.add({ type: 'misbehave', payload: { way: 'never' } });
    await until(async () => (await fathom.client.queue.get(id)).status === 'processing', { what: 'a start' });
    await fathom.client.queue.pause();
    expect(await daemon.stop(), daemon.output()).toBe(0);
    daemon = await fathom.start();
    expect(await fathom.client.queue.get(id)).toMatchObject({ status: 'pending', attempts: 0, errors: null });
    await fathom.client.queue.cancel(id);
    await fathom.client.queue.resume();
  });

  it('runs tasks after the directory of its start was removed', async () => {
    expect(await daemon.stop()).toBe(0);
    const gone = join(fathom.dataDir, 'gone');
    daemon = await fathom.start({}, ['sh', '-c', 'mkdir "$1"; cd "$1"; exec "$0" serve', FATHOMD, gone]);
    await rmdir(gone);
    // The process of the handler ends with it, so the next task needs a new one.
    const { id: last } = await fathom.client.queue.add({
      type: 'misbehave',
      payload: { way: 'exits' },
      max_attempts: 1,
    });
    expect(await finished(fathom, last)).toMatchObject({ status: 'dead' });
    const { id } = await fathom.client.queue.add({ type: 'where', max_attempts: 1 });
    expect(await finished(fathom, id)).toMatchObject({ status: 'done', result: fathom.dataDir });
  });
});

describe('a daemon whose tasks cannot be ended', () => {
  it('stops within its bound, and the next one runs them again', async () => {
    const path = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
    using database = new DatabaseSync(path, { timeout: 10_000 });
    database.exec(
      `CREATE TRIGGER full BEFORE UPDATE ON global_queue WHEN OLD.status = 'processing' AND NEW.status <> 'processing'
       BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`,
    );
    const { id } = await fathom.client.queue.add({ type: 'noop' });
    await until(
      () => logLines(daemon.output()).some((line) => line.level === WARN && line['task'] !== undefined),
      {
        what: () => daemon.output(),
      },
    );
    expect(await daemon.stop(), daemon.output()).toBe(0);
    database.exec('DROP TRIGGER full');
    // As if the lease had run out.
    database.exec(
      `UPDATE global_queue SET lease_expires_at = '2000-01-01 00:00:00.000Z' WHERE status = 'processing'`,
    );
    daemon = await fathom.start();
    expect(await finished(fathom, id)).toMatchObject({ status: 'done', attempts: 2 });
  });
});

function mentions(frames: readonly Frame[], id: string): boolean {
  return frames.some(({ event }) => event?.task?.id === id && event.task.status === 'done');
}

interface Frame {
  type: string;
  seq?: number;
  event?: { kind: string; task?: { id: string; status: string } };
}

function subscribe(url: string, token?: string): { frames: Frame[]; close: () => void } {
  const socket = new WebSocket(url, 'fathom.v1', {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  const frames: Frame[] = [];
  socket.on('open', () => socket.send(JSON.stringify({ type: 'subscribe', id: 1, topics: ['queue'] })));
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  return { frames, close: () => socket.terminate() };
}
