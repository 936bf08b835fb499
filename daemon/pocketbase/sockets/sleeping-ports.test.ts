import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { type BareInstance, bareInstance } from '../../../test/helpers/bare-instance.ts';
import { statusOf } from '../../../test/helpers/status-prober.ts';
import { until } from '../../../test/helpers/until.ts';
import type { InstanceProcess } from '../process/process-driver.ts';
import { transferredBytes } from '../process/procfs.ts';

/** Starts the instance at each ring, as the daemon does. */
function wakeOnRing(instance: BareInstance): { started: Promise<InstanceProcess>[] } {
  const started: Promise<InstanceProcess>[] = [];
  instance.driver.onRing(() => started.push(instance.start()));
  return { started };
}

async function running(instance: BareInstance): Promise<InstanceProcess> {
  const { driver, command } = instance;
  expect(await driver.hold(command.host, command.port)).toBe(true);
  const process = await instance.start();
  await instance.untilReady();
  return process;
}

/** Ends a process that has no clients, as the daemon does. */
async function fallAsleep({ driver, command }: BareInstance, process: InstanceProcess): Promise<void> {
  await until(async () => (await driver.sleep(command, process)) === 'held', { what: 'no clients' });
  await process.exited;
}

it('the first connection wakes a sleeping database, and all are answered', async () => {
  const instance = await bareInstance();
  const { started } = wakeOnRing(instance);
  await fallAsleep(instance, await running(instance));
  const statuses = await Promise.all(Array.from({ length: 50 }, () => statusOf(instance.command.port)));
  expect(new Set(statuses)).toEqual(new Set([200]));
  expect(started).toHaveLength(1);
});

it('refuses and loses nothing while it falls asleep under requests', async () => {
  const instance = await bareInstance();
  const { port } = instance.command;
  const { started } = wakeOnRing(instance);
  let process = await running(instance);
  const statuses = new Set<number | string>();
  const over = new AbortController();
  // With a pause between requests, in which it can fall asleep.
  const client = (async () => {
    while (!over.signal.aborted) {
      statuses.add(await statusOf(port));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
  })();
  for (let round = 1; round <= 5; round += 1) {
    await fallAsleep(instance, process);
    process = await until(() => started[round - 1], { what: 'a wake' });
  }
  over.abort();
  await client;
  expect([...statuses]).toEqual([200]);
});

it('a process with a client does not fall asleep', async () => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  const process = await running(instance);
  const client = connect(command.port, command.host);
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  expect(await driver.sleep(command, process)).toBe('has_clients');
  expect(await statusOf(command.port)).toBe(200);
  client.destroy();
  await fallAsleep(instance, process);
});

async function send(instance: BareInstance, text: string): Promise<Socket> {
  const client = connect(instance.command.port, instance.command.host);
  onTestFinished(() => void client.destroy());
  await once(client, 'connect');
  client.write(text);
  return client;
}

it('closes connections without a request in progress only if it is asked to', async () => {
  const [quiet, busy] = [await bareInstance(), await bareInstance()];
  const [quietProcess, busyProcess] = [await running(quiet), await running(busy)];
  // Its body is not complete.
  const upload = await send(
    busy,
    'POST /api/collections/users/records HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{',
  );
  const idle = await send(quiet, 'GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(idle, 'data');
  const untilQuiet = async () =>
    (await quiet.driver.sleep(quiet.command, quietProcess)) === 'has_quiet_clients';
  await until(untilQuiet, { what: 'the connection to be quiet' });
  // This one was silent for longer.
  expect(await busy.driver.sleep(busy.command, busyProcess, true)).toBe('has_clients');
  const answer = once(upload, 'data');
  upload.write(' '.repeat(99));
  expect(String(await answer)).toMatch(/^HTTP\/1.1 [45]/);

  const ended = once(idle, 'end');
  idle.resume();
  expect(await quiet.driver.sleep(quiet.command, quietProcess, true)).toBe('held');
  await ended;
  await quietProcess.exited;
});

it('a connection without a request wakes nothing', async () => {
  const instance = await bareInstance();
  const { started } = wakeOnRing(instance);
  await fallAsleep(instance, await running(instance));
  const silent = connect(instance.command.port, instance.command.host);
  onTestFinished(() => void silent.destroy());
  await once(silent, 'connect');
  // The next one comes after it.
  expect(started).toHaveLength(0);
  expect(await statusOf(instance.command.port)).toBe(200);
  expect(started).toHaveLength(1);
});

/** The states of connections at a port, as numbers in proc_net(5). */
function statesAt(port: number): string[] {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, address, , state]) => (address?.endsWith(local) && state ? [state] : []));
}

it('connections that end without a request wake nothing, and one that ends after its request is answered', async () => {
  const instance = await bareInstance();
  const { host, port } = instance.command;
  const { started } = wakeOnRing(instance);
  await fallAsleep(instance, await running(instance));
  const clients = Array.from({ length: 5 }, () => connect(port, host));
  await Promise.all(clients.map((client) => once(client, 'connect')));
  for (const client of clients) client.end();
  const CLOSE_WAIT = '08';
  const SYN_RECEIVED = '03';
  await until(() => !statesAt(port).some((state) => state === CLOSE_WAIT || state === SYN_RECEIVED), {
    what: 'them to be closed',
  });
  expect(started).toHaveLength(0);
  const client = connect({ port, host, allowHalfOpen: true });
  client.end(`GET /api/health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200/);
  client.destroy();
  expect(started).toHaveLength(1);
});

it('an idle process reads and writes next to nothing, a request does', async () => {
  const instance = await bareInstance();
  const { pid } = await running(instance);
  const before = transferredBytes(pid) ?? 0;
  expect(await statusOf(instance.command.port)).toBe(200);
  await until(() => (transferredBytes(pid) ?? 0) - before > 250, { what: 'the request to be counted' });
});
