import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SERVE } from '../helpers/deployment.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, signIn, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';

const isRoot = process.getuid?.() === 0;

it('secrets are in no argument, log, answer, core file or file that others could read', async () => {
  const fathom = await deployment({ LOG_LEVEL: 'trace' }, { empty: true });
  // As from a shell that allows core files; only root may raise a limit that is low already.
  const daemon = await fathom.start({}, isRoot ? ['prlimit', '--core=unlimited', ...SERVE] : SERVE);
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
  const children = (await readFile(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8'))
    .trim()
    .split(' ');
  for (const pid of [daemon.pid, ...processes.map((one) => one.pid), ...children]) {
    const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
    expect(limits, `of ${pid}`).toMatch(/^Max core file size +0 +0 +bytes/m);
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
