import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { bareInstance } from '../../../test/helpers/bare-instance.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { statusOf } from '../../../test/helpers/status-prober.ts';
import { until } from '../../../test/helpers/until.ts';
import { verifyBinary } from '../binary/binary.ts';

it.each(['auto', 'off'] as const)(
  'connections wait while no process runs (PB_SANDBOX=%s)',
  async (setting) => {
    const instance = await bareInstance(setting);
    const { driver, command } = instance;
    expect(await driver.hold(command.host, command.port)).toBe(true);
    const early = Array.from({ length: 50 }, () => statusOf(command.port));
    const first = await instance.start();
    expect(new Set(await Promise.all(early))).toEqual(new Set([200]));
    first.signal('SIGKILL');
    await first.exited;
    const between = Array.from({ length: 20 }, () => statusOf(command.port));
    const second = await instance.start();
    expect(new Set(await Promise.all(between))).toEqual(new Set([200]));
    expect(second.sandbox.level).toBe(setting === 'off' ? 'none' : first.sandbox.level);
  },
);

it('starts instances as before where notifications are not allowed, and says why', async () => {
  const directory = await scratch();
  const { path } = await verifyBinary(null);
  const fixture = join(import.meta.dirname, '../../../test/fixtures/sockets/without-notifications.ts');
  const { stdout } = await execa(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    fixture,
    path,
    directory,
  ]);
  expect(JSON.parse(stdout)).toMatchObject({
    sockets: { held: false, reason: expect.stringContaining('EINVAL') },
    held: null,
    status: 200,
    after: 'ECONNREFUSED',
  });
});

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer().listen(port, host);
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  return server;
}

it('gives a port to one process at a time', async () => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  expect(await driver.hold(command.host, command.port)).toBe(true);
  const first = await instance.start();
  expect(await driver.hold(command.host, command.port)).toBe(false);
  first.signal('SIGKILL');
  await first.exited;
  expect(await driver.hold(command.host, command.port)).toBe(true);
});

it('keeps the port from other processes, also while no process runs', async () => {
  const { driver, command } = await bareInstance();
  const { host, port } = command;
  expect(await driver.hold(host, port)).toBe(true);
  expect(await driver.hold(host, port)).toBe(true);
  await expect(listen(host, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  driver.release(port);
  await until(() => listen(host, port).catch(() => null), { what: 'the port to be free' });
  expect(await driver.hold(host, port)).toBe(false);
});

it.each(['127.0.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1'])('holds a port of %s', async (host) => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  expect(await driver.hold(host, command.port)).toBe(true);
  const target = `http://${host.includes(':') ? `[${host}]` : host}:${command.port}/api/health`;
  const early = fetch(target);
  await instance.start({ host });
  expect((await early).status).toBe(200);
});

it('takes the socket of a running process, so that it outlives the process', async () => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  const first = await instance.start();
  await instance.untilReady();
  expect(await driver.take(first, command.port)).toBe(true);
  expect(await driver.hold(command.host, command.port)).toBe(false);
  first.signal('SIGKILL');
  await first.exited;
  const waiting = statusOf(command.port);
  await instance.start();
  expect(await waiting).toBe(200);
});

it('answers with the problem of a port until a process listens', async () => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  await driver.hold(command.host, command.port);
  driver.explain(command.port, { code: 'odd', message: 'It is "odd".', retryAfterS: 600 }, 'now');
  const answer = await fetch(`http://127.0.0.1:${command.port}/x`, {
    method: 'PATCH',
    body: 'x'.repeat(100_000),
  });
  expect(answer.status).toBe(503);
  const retryAfter = Number(answer.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThan(500);
  expect(retryAfter).toBeLessThanOrEqual(600);
  expect(await answer.json()).toEqual({
    status: 503,
    message: 'It is "odd".',
    data: { database: { code: 'odd', message: 'It is "odd".' } },
  });
  const later = async () => {
    const { headers } = await fetch(`http://127.0.0.1:${command.port}/x`);
    return Number(headers.get('retry-after'));
  };
  await until(async () => (await later()) < retryAfter, { what: 'a shorter Retry-After' });
  await instance.start();
  await until(async () => (await statusOf(command.port)) === 200, { what: 'PocketBase to answer' });
});
