import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, signIn, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';

it('the master key is rotated online, goes on after kills, and the old one may go afterwards', async () => {
  const fathom = await deployment();
  const old = fathom.env['AES_MASTER_KEY'] ?? '';
  const fresh = randomBytes(32).toString('base64');
  const both = { AES_MASTER_KEY: fresh, AES_PREVIOUS_MASTER_KEY: old };
  const rotate = () => fathom.client.http.request('POST', '/api/v1/secrets/rotate');
  const keysInUse = async () =>
    new Set((await databaseRows(fathom)).map(({ superuser_secret }) => superuser_secret.split('.')[1]));

  const first = await fathom.start();
  for (let user = 0; user < 6; user += 1) await signUp(fathom.url, `user${user}@example.com`);
  const before = await keysInUse();
  expect(before.size).toBe(1);
  await first.stop();

  // Wherever it is cut short, the next daemon has all databases, and goes on.
  for (let kill = 0; kill < 3; kill += 1) {
    const daemon = await fathom.start(both);
    const cutShort = rotate().catch(() => null);
    for (let request = 0; request < kill; request += 1) await call('GET', `${fathom.url}/health`);
    daemon.signal('SIGKILL');
    await Promise.all([cutShort, daemon.exited]);
  }
  const daemon = await fathom.start(both);
  expect(await rotate()).toMatchObject({ failed: 0 });
  expect(await rotate()).toEqual({ rotated: 0, current: 6, failed: 0 });
  await daemon.stop();

  await fathom.start({ AES_MASTER_KEY: fresh });
  const after = await keysInUse();
  expect(after.size).toBe(1);
  expect([...after]).not.toEqual([...before]);
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  for (const { name } of await databaseRows(fathom)) {
    await fathom.client.databases.start(name);
    // What is looked into as the superuser of that instance.
    expect((await call('GET', `${fathom.url}/api/v1/databases/${name}/collections`, { token })).status).toBe(
      200,
    );
  }
});

it('secrets are in no argument, log, answer or file that others could read', async () => {
  const fathom = await deployment({ LOG_LEVEL: 'trace' });
  const daemon = await fathom.start();
  const session = await signUp(fathom.url, 'ann@example.com');
  const admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  await call('GET', `${fathom.url}/api/v1/me?token=${session.token}`, { token: `${session.token}x` });
  const password = 'a password that is not right';
  await call('POST', `${fathom.url}/api/v1/auth/login`, { body: { email: 'ann@example.com', password } });
  const [row] = await databaseRows(fathom);
  const names = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];
  const secrets = [
    ...names.map((name) => fathom.env[name] ?? ''),
    session.token,
    session.database.token,
    admin,
    password,
    row?.superuser_secret ?? '',
  ];
  expect(secrets.every((secret) => secret.length > 12)).toBe(true);

  const processes = await fleetProcesses(fathom.dataDir);
  expect(processes).toHaveLength(2);
  const texts = new Map([['the output of the daemon', daemon.output()]]);
  for (const pid of [daemon.pid, ...processes.map((one) => one.pid)]) {
    texts.set(`arguments of ${pid}`, await readFile(`/proc/${pid}/cmdline`, 'utf8'));
  }
  for (const path of ['/openapi.json', '/metrics', '/api/v1/status', '/api/v1/databases', '/api/v1/users']) {
    const { body } = await call<unknown>('GET', `${fathom.url}${path}`, { token: admin });
    texts.set(path, JSON.stringify(body));
  }
  for (const log of ['global', session.database.name]) {
    texts.set(log, await readFile(join(fathom.dataDir, 'logs', 'instances', `${log}.log`), 'utf8'));
  }
  for (const [where, text] of texts) {
    for (const secret of secrets) expect(text.includes(secret), `${where} holds a secret`).toBe(false);
  }

  // A user instance is given its own key, and nothing else of Fathom's.
  const user = processes.find(({ instance }) => instance === session.database.name);
  const environment = (await readFile(`/proc/${user?.pid}/environ`, 'utf8')).split('\0').filter(Boolean);
  const given = environment.map((entry) => entry.split('=')[0]);
  for (const name of ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ADMIN_PASSWORD', 'FATHOM_HOOK_TOKEN']) {
    expect(given).not.toContain(name);
  }
  expect(environment.join()).not.toContain(fathom.env['PB_ENCRYPTION_KEY']);

  const open: string[] = [];
  for (const entry of await readdir(fathom.dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    // The type definitions that PocketBase ships are no secret, and a link to the template's; sockets have their group.
    if (entry.isSocket() || entry.name === 'types.d.ts') continue;
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) open.push(`${path.slice(fathom.dataDir.length)} ${(mode & 0o777).toString(8)}`);
  }
  expect(open).toEqual([]);
});
