import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UsageHistory } from '../../shared/api/usage.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let admin: string;
let ann: Session;
let beth: Session;

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
});

afterAll(() => fathom.dispose());

const get = <T>(path: string, token: string) => call<T>('GET', `${fathom.url}/api/v1${path}`, { token });

const run = (...args: string[]) => fathomd([...args, '--socket', fathom.socketPath]);

const untilRead = (name: string) =>
  until(async () => ((await fathom.client.usage.get(name)).days.length > 0 ? true : null), {
    what: `the usage of ${name} to be read`,
    timeoutMs: 90_000,
  });

/** Names in the file of the history. */
function storedNames(): unknown[] {
  const database = new DatabaseSync(join(fathom.dataDir, 'usage.db'), { readOnly: true });
  const rows = database.prepare('SELECT name FROM databases').all();
  database.close();
  return rows.map(({ name }) => name);
}

describe('the history of usage', () => {
  it('is empty before anything was read', async () => {
    const { items } = await fathom.client.usage.list();
    expect(items).toMatchObject([{ name: 'global', disk_bytes_per_day: null, days_until_limit: null }]);
    expect((await run('databases', 'usage')).exitCode).toBe(0);
  });

  it('shows all databases, the largest first, and their limits', async () => {
    ann = await signUp(fathom.url, 'ann@example.com');
    beth = await signUp(fathom.url, 'beth@example.com');
    await fathom.client.databases.update(ann.database.name, { disk_mb: 50 });
    await untilRead(ann.database.name);
    await untilRead(beth.database.name);
    const { items } = await fathom.client.usage.list();
    const sizes = items.map(({ disk_bytes: bytes }) => bytes ?? 0);
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(items.find(({ name }) => name === ann.database.name)).toMatchObject({
      email: 'ann@example.com',
      limits: { disk_bytes: 50 * 1024 * 1024 },
      disk_bytes_per_day: null,
      days_until_limit: null,
    });
    const history = JSON.parse(
      (await run('databases', 'usage', ann.database.name, '--json')).stdout,
    ) as UsageHistory;
    expect(history.hours.at(-1)?.disk_bytes).toBeGreaterThan(100_000);
    expect(history.days.at(-1)?.memory_bytes).toBeGreaterThan(1_000_000);
  });

  it('shows the last use, which no wake by an administrator is', async () => {
    const { name } = ann.database;
    const lastUse = async () => (await fathom.client.usage.get(name)).last_used_at;
    const before = await lastUse();
    await fathom.client.databases.sleep(name, { force: true });
    await fathom.client.databases.wake(name);
    expect(await lastUse()).toBe(before);
    await fathom.client.databases.sleep(name, { force: true });
    const from = new Date().toISOString();
    await signIn(fathom.url, 'ann@example.com');
    const used = (await lastUse()) ?? '';
    expect(used >= from && used <= new Date().toISOString()).toBe(true);
    expect((await run('databases', 'usage', '--json')).stdout).toContain(used);
  });

  it('belongs to the owner', async () => {
    const own = await get<{ items: { name: string }[] }>('/usage', ann.token);
    expect(own.body.items.map(({ name }) => name)).toEqual([ann.database.name]);
    expect((await get(`/databases/${ann.database.name}/usage`, ann.token)).status).toBe(200);
    expect((await get(`/databases/${beth.database.name}/usage`, ann.token)).status).toBe(403);
    expect((await get('/databases/global/usage', ann.token)).status).toBe(403);
    expect((await get('/databases/global/usage', admin)).status).toBe(200);
    expect((await get('/databases/2020-01-01-001-unknown/usage', admin)).status).toBe(404);
    expect((await get('/usage', '')).status).toBe(401);
    expect((await run('databases', 'usage', '2020-01-01-001-unknown')).exitCode).toBe(1);
  });

  it('outlives the daemon, also while a database is stopped', async () => {
    await fathom.client.databases.stop(ann.database.name);
    await daemon.stop();
    daemon = await fathom.start();
    const history = await fathom.client.usage.get(ann.database.name);
    expect(history).toMatchObject({ memory_bytes: null, last_used_at: expect.any(String), days: [{}] });
    expect(history.disk_bytes).toBeGreaterThan(100_000);
  });

  it('ends with the database', async () => {
    expect(storedNames()).toContain(beth.database.name);
    await fathom.client.databases.delete(beth.database.name);
    expect((await get(`/databases/${beth.database.name}/usage`, admin)).status).toBe(404);
    expect(storedNames()).not.toContain(beth.database.name);
  });

  it('starts again when its file is damaged', async () => {
    await daemon.stop();
    writeFileSync(join(fathom.dataDir, 'usage.db'), 'nonsense'.repeat(2_000));
    daemon = await fathom.start();
    expect((await fathom.client.usage.get(ann.database.name)).days).toEqual([]);
    await fathom.client.databases.start(ann.database.name);
    await untilRead(ann.database.name);
  });
});
