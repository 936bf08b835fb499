import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { bareInstance } from '../../../test/helpers/bare-instance.ts';
import { until } from '../../../test/helpers/until.ts';
import { FLEET_VARIABLE, INSTANCE_VARIABLE } from './command.ts';
import { isAlive } from './procfs.ts';

it('finds its processes by fleet, and adopts one with its exit, signals and start time', async () => {
  const instance = await bareInstance();
  const started = await instance.start();
  const [found, ...others] = await until(
    async () => {
      const all = await instance.driver.find();
      // Without the launcher, flock(1) becomes PocketBase under the same pid.
      return all[0]?.executable === instance.command.binary ? all : null;
    },
    { what: 'PocketBase in /proc' },
  );
  expect(others).toEqual([]);
  expect(found).toMatchObject({
    instance: 'bare',
    pid: started.pid,
    startTime: started.startTime,
    dataDir: instance.command.dataDir,
    address: `127.0.0.1:${instance.command.port}`,
  });
  await instance.untilReady();
  const adopted = instance.driver.adopt(found as NonNullable<typeof found>);
  expect(adopted.signal('SIGTERM')).toBe(true);
  expect(await adopted.exited).toEqual({ code: null, signal: null });
  // PocketBase responds before it handles signals.
  expect([
    { code: 0, signal: null },
    { code: null, signal: 'SIGTERM' },
  ]).toContainEqual(await started.exited);
  expect([adopted.signal('SIGKILL'), started.signal('SIGKILL')]).toEqual([false, false]);
});

it('never signals another process that reuses a pid', async () => {
  const bystander = spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
  await once(bystander, 'spawn');
  onTestFinished(() => {
    bystander.kill('SIGKILL');
  });
  const { driver } = await bareInstance();
  const pid = bystander.pid as number;
  const before = driver.adopt({
    instance: 'bare',
    pid,
    startTime: 1,
    startedAt: new Date(0),
    dataDir: null,
    address: null,
    executable: null,
    sha256: null,
    hooksDir: null,
    publicDir: null,
    environment: new Map(),
    sandbox: { level: 'full', reason: null },
  });
  expect(await before.exited).toEqual({ code: null, signal: null });
  expect(before.signal('SIGKILL')).toBe(false);
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
});

it('signals a process that does not lead a process group', async () => {
  const { driver, fleetId } = await bareInstance();
  const env = { [FLEET_VARIABLE]: fleetId, [INSTANCE_VARIABLE]: 'other' };
  const child = spawn('/bin/sleep', ['600'], { env, stdio: 'ignore' });
  await once(child, 'spawn');
  const [found] = await until(
    async () => {
      const all = await driver.find();
      return all.length > 0 ? all : null;
    },
    { what: 'the process' },
  );
  const ended = once(child, 'exit');
  expect(driver.adopt(found as NonNullable<typeof found>).signal('SIGTERM')).toBe(true);
  expect(await ended).toEqual([null, 'SIGTERM']);
});

it('reports whether an instance listens', async () => {
  const instance = await bareInstance();
  const process = await instance.start();
  await until(() => process.mayListen(), { what: 'the instance to listen' });
  process.signal('SIGKILL');
  await process.exited;
  expect(await process.mayListen()).toBe(false);
});

it('names a program that does not exist or cannot be executed', async () => {
  const instance = await bareInstance();
  const missing = '/no-such-directory/pocketbase';
  await expect(instance.start({ binary: missing })).rejects.toMatchObject({ code: 'ENOENT', path: missing });
  const plain = join(instance.directory, 'program');
  await copyFile(instance.command.binary, plain);
  await chmod(plain, 0o600);
  await expect(instance.start({ binary: plain })).rejects.toMatchObject({ code: 'EACCES', path: plain });
});

it('starts a process with the best sandbox of the host, and reads it from a found process', async () => {
  const instance = await bareInstance();
  const best = await instance.driver.sandboxFor(instance.command.binary);
  const started = await instance.start();
  expect(started.sandbox).toEqual(best);
  expect((await instance.driver.find())[0]?.sandbox.level).toBe(best.level);
  const plain = await bareInstance('off');
  expect((await plain.start()).sandbox.level).toBe('none');
  expect((await plain.driver.find())[0]?.sandbox.level).toBe('none');
});

it('its processes keep running when the driver is closed, but their exits are no longer awaited', async () => {
  const instance = await bareInstance();
  const process = await instance.start();
  instance.driver.close();
  expect(await process.exited).toMatchObject({ code: null });
  expect(isAlive(process.pid, process.startTime)).toBe(true);
});

it('keeps the socket of an instance when another one asks for its port', async () => {
  const instance = await bareInstance();
  const { driver, command } = instance;
  const { held } = await driver.sockets();
  expect(await driver.hold(command.host, command.port)).toBe(held ? true : null);
  await instance.start();
  expect(await driver.hold(command.host, command.port)).toBe(held ? false : null);
  expect(driver.isHeld(command.port)).toBe(held);
});
