import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { exists } from '../../daemon/base/files/dir.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { expectWholeFleet } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** Starts a daemon that cannot start: its exit code and what it says, the log lines left out. */
async function failedStart(fathom: Deployment, env: Record<string, string> = {}) {
  const daemon = fathom.launch(env);
  const code = await daemon.exited;
  const said = daemon
    .output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
    .join('\n');
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
  return { code, said };
}

async function occupy(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return server;
}

describe('a host that is not as it should be', () => {
  it('ends the start with an exit code and one sentence, and leaves nothing running', async () => {
    const fathom = await deployment();
    const file = join(fathom.dataDir, 'a-file');
    await writeFile(file, 'not a directory');

    const missing = await failedStart(fathom, { PB_BINARY_PATH: '/nowhere/pocketbase' });
    expect(missing.code).toBe(78);
    expect(missing.said).toEqual(textWith('/nowhere/pocketbase', 'PB_BINARY_PATH'));

    const wrong = await failedStart(fathom, { PB_BINARY_PATH: '/bin/true' });
    expect(wrong.code).toBe(78);
    expect(wrong.said).toEqual(textWith('/bin/true', '--version'));

    const notExecutable = await failedStart(fathom, { PB_BINARY_PATH: file });
    expect(notExecutable.code).toBe(78);

    const below = await failedStart(fathom, { FATHOM_DATA_DIR: join(file, 'var') });
    expect(below.code).toBe(73);
    expect(below.said).toContain('FATHOM_DATA_DIR');

    const databases = await failedStart(fathom, { PB_USER_DBS_PATH: join(file, 'user_dbs') });
    expect(databases.code).toBe(73);
    expect(databases.said).toContain(join(file, 'user_dbs'));
  });

  it('ends the start when a port is taken', async () => {
    const fathom = await deployment();
    const api = await occupy(Number(fathom.env['SERVER_PORT']));
    const server = await failedStart(fathom);
    expect(server.code).toBe(69);
    expect(server.said).toEqual(textWith('SERVER_PORT', String(fathom.env['SERVER_PORT']), '127.0.0.1'));
    await new Promise((resolve) => api.close(resolve));

    await occupy(Number(fathom.env['PB_GLOBAL_PORT']));
    const global = await failedStart(fathom);
    expect(global.code).toBe(69);
    expect(global.said).toEqual(textWith('PB_GLOBAL_PORT', String(fathom.env['PB_GLOBAL_PORT'])));
  });

  it('lets one daemon at a time use a data directory', async () => {
    const fathom = await deployment();
    const first = await fathom.start();
    const second = fathom.launch({ SERVER_PORT: '11999' });
    expect(await second.exited).toBe(75);
    expect(second.output()).toEqual(textWith(first.pid, fathom.dataDir));
    await expect(signUp(fathom.url, 'unharmed@example.com')).resolves.toBeDefined();

    // What a cleaner of temporary directories does.
    await rm(join(fathom.dataDir, 'run'), { recursive: true });
    const third = fathom.launch({ SERVER_PORT: '11999' });
    expect(await third.exited).toBe(75);
    await until(() => exists(fathom.socketPath), { what: 'the local socket to be open again' });
    expect(await fathom.client.daemon.status()).toMatchObject({ pid: first.pid, ready: true });
    const { items } = await fathom.client.databases.list();
    expect(items.map(({ restarts }) => restarts)).toEqual(items.map(() => 0));
    expect(await readFile(join(fathom.dataDir, 'run', 'fathomd.pid'), 'utf8')).toBe(`${first.pid}\n`);
    expect((await stat(fathom.socketPath)).mode & 0o777).toBe(0o660);
    const fourth = fathom.launch({ SERVER_PORT: '11999' });
    expect(await fourth.exited).toBe(75);
    expect(fourth.output()).toEqual(textWith(first.pid));

    const other = await deployment({ FATHOM_SOCKET: fathom.socketPath });
    const sameSocket = await failedStart(other);
    expect(sameSocket).toEqual({ code: 75, said: expect.stringContaining('FATHOM_SOCKET') });
    expect(await fathom.client.daemon.status()).toMatchObject({ pid: first.pid });
  });
});

describe('a directory of databases that breaks while the daemon runs', () => {
  it('fails sign-ups clearly, leaves other databases alone, and is made up for', async () => {
    const fathom = await deployment();
    const daemon = await fathom.start();
    const before = await signUp(fathom.url, 'before@example.com');
    const databases = join(fathom.dataDir, 'user_dbs');
    await rename(databases, `${databases}.aside`);
    await writeFile(databases, 'in the way');

    const broken = await call('POST', `${fathom.url}/api/v1/auth/register`, {
      body: { email: 'broken@example.com', password: PASSWORD },
    });
    expect(broken).toMatchObject({ status: 502, body: { code: 'provision.failed' } });
    // The cause is for administrators: no path of the host leaves it.
    expect(broken.body.detail).not.toContain(fathom.dataDir);
    expect(daemon.output()).toContain(`${databases}/`);
    expect((await fetch(`${before.database.url}/api/health`)).status).toBe(200);
    const failed = await call('POST', `${fathom.url}/api/v1/auth/login`, {
      body: { email: 'broken@example.com', password: PASSWORD },
    });
    expect(failed).toMatchObject({ status: 502, body: { code: 'provision.failed' } });

    await rm(databases);
    await rename(`${databases}.aside`, databases);
    const repaired = await signIn(fathom.url, 'broken@example.com');
    expect(repaired.database).toMatchObject({ status: 'Running' });
    expect(await expectWholeFleet(fathom, ['before@example.com', 'broken@example.com'])).toHaveLength(2);
  });
});

describe('a port range that is full', () => {
  it('answers 503, keeps the account, and gives the database once a port is free', async () => {
    const fathom = await deployment({}, { ports: 3 });
    const daemon = await fathom.start({ PB_PORT_RANGE: '2' });
    const first = await signUp(fathom.url, 'first@example.com');
    await signUp(fathom.url, 'second@example.com');

    const third = await call<Session & { code: string; detail: string }>(
      'POST',
      `${fathom.url}/api/v1/auth/register`,
      { body: { email: 'third@example.com', password: PASSWORD } },
    );
    expect(third).toMatchObject({ status: 503, body: { code: 'ports.exhausted' } });
    expect(third.body.detail).not.toMatch(/PB_PORT_RANGE|\d{4}/);
    expect(daemon.output()).toContain('PB_PORT_RANGE');
    const login = () =>
      call<Session>('POST', `${fathom.url}/api/v1/auth/login`, {
        body: { email: 'third@example.com', password: PASSWORD },
      });
    expect(await login()).toMatchObject({ status: 503, body: { code: 'ports.exhausted' } });

    // Deleted with its port: the next sign-in has one at once, without a back-off.
    await fathom.client.users.delete(first.user.id);
    const { status, body } = await login();
    expect({ status, database: body.database }).toMatchObject({
      status: 200,
      database: { status: 'Running' },
    });
    expect(await expectWholeFleet(fathom, ['second@example.com', 'third@example.com'])).toHaveLength(2);

    // Or by itself, when there are more ports.
    await expect(signUp(fathom.url, 'fourth@example.com')).rejects.toThrow('ports.exhausted');
    await daemon.stop();
    await fathom.start();
    expect(await expectWholeFleet(fathom)).toHaveLength(3);
  });
});

// Not as root, whom no permission bits stop.
describe.skipIf(process.getuid?.() === 0)('a data directory that cannot be written', () => {
  it('ends the start with exit code 73', async () => {
    const fathom = await deployment();
    const closed = join(fathom.dataDir, 'closed');
    await mkdir(closed);
    await chmod(closed, 0o500);
    const { code, said } = await failedStart(fathom, { FATHOM_DATA_DIR: closed });
    expect(code).toBe(73);
    expect(said).toContain('FATHOM_DATA_DIR');
  });
});
