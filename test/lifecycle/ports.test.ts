import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import PocketBase from 'pocketbase';
import { describe, expect, it, onTestFinished } from 'vitest';
import { instanceEncryptionKey } from '../../daemon/keys/derived-keys.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from '../helpers/deployment.ts';
import {
  instance,
  kill,
  PASSWORD,
  signIn,
  signUp,
  signUpMany,
  type Tenant,
  untilReplaced,
  untilRunning,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { controlPlane, type DatabaseRow, databaseRows } from '../helpers/fleet-state.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { testedPocketBase } from '../helpers/tested-pocketbase.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment({}, { ports: 3 });

/** A foreign service, which answers any request. */
async function occupy(port: number): Promise<() => void> {
  const server = createServer((_request, response) => response.end('{}')).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const release = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(release);
  return release;
}

/** Read from the file, also while nothing runs. */
function rowOf(fathom: Deployment, { name }: Tenant): Promise<DatabaseRow> {
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const row = withDatabase(file, { readOnly: true }, (database) =>
    database.prepare('SELECT * FROM user_databases WHERE name = ?').get(name),
  );
  return Promise.resolve(row as unknown as DatabaseRow);
}

/** Reverts the migration of ports and later ones, as PocketBase does it. */
async function undoMigration(fathom: Deployment): Promise<void> {
  const root = join(import.meta.dirname, '..', '..');
  const files = (await readdir(join(root, 'pb_migrations', 'global'))).toSorted();
  await execa(
    (await verifyBinary(await testedPocketBase())).path,
    [
      'migrate',
      'down',
      String(files.length - files.indexOf('1763700610_ports.js')),
      `--dir=${join(fathom.dataDir, 'global', 'pb_data')}`,
      `--migrationsDir=${join(root, 'pb_migrations', 'global')}`,
      `--hooksDir=${join(root, 'pb_hooks', 'global')}`,
      '--hooksWatch=false',
      '--automigrate=false',
      '--dev=false',
      '--encryptionEnv=KEY',
    ],
    {
      // PocketBase asks before it reverts a migration.
      input: 'y\n',
      env: {
        KEY: instanceEncryptionKey(Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64'), 'global'),
      },
    },
  );
}

it('a port that was taken meanwhile is left to its process, and the new one is stored and kept', async () => {
  const { fathom } = shared;
  const { databases } = fathom.client;
  const tenant = await signUp(fathom);
  const { port: first } = await databases.stop(tenant.name);
  if (first === null) throw new Error('it had a port');
  const release = await occupy(first);

  const moved = await databases.start(tenant.name);
  expect(moved).toMatchObject({ phase: 'running', restarts: 0, attempt: 0 });
  expect(moved.port).not.toBe(first);
  expect(moved.url).toBe(`http://127.0.0.1:${moved.port}`);
  expect(await instance(fathom, tenant.name)).toMatchObject({
    moved: { from: first, reason: textWith(first, process.pid) },
  });
  const admin = await controlPlane(fathom);
  await until(
    async () => {
      const row = await admin.collection('user_databases').getFirstListItem(`name="${tenant.name}"`);
      return row['port'] === moved.port;
    },
    { what: 'the new port in the control plane' },
  );
  expect((await signIn(fathom, tenant)).database).toMatchObject({ port: moved.port, url: moved.url });

  const { items } = await fathom.client.events.list({ name: tenant.name });
  expect(items).toContainEqual(
    expect.objectContaining({
      kind: 'moved',
      reason: {
        code: 'port_in_use',
        message: textWith(first, moved.port ?? 0),
      },
    }),
  );

  // The first one is free again, but clients know the new one by now.
  release();
  expect(await databases.restart(tenant.name)).toMatchObject({ port: moved.port });
  const before = await instance(fathom, tenant.name);
  kill(before.pid, 'SIGKILL');
  expect(await untilReplaced(fathom, before)).toMatchObject({ port: moved.port });
  await writeAndRead(fathom, tenant, 'on another port');
});

it('without a free port an instance waits with the reason, and comes up by itself once there is one', async () => {
  const { fathom } = shared;
  const { databases } = fathom.client;
  const tenant = await signUp(fathom);
  await databases.stop(tenant.name);
  const base = Number(fathom.env['PB_BASE_PORT']);
  const taken = new Set(
    (await databases.all()).filter(({ phase }) => phase === 'running').map(({ port }) => port),
  );
  const releases: (() => void)[] = [];
  for (const port of [base, base + 1, base + 2]) if (!taken.has(port)) releases.push(await occupy(port));

  await expect(databases.start(tenant.name)).rejects.toMatchObject({ code: 'instance.failed' });
  expect(await instance(fathom, tenant.name)).toMatchObject({
    phase: expect.stringMatching(/^(backing_off|queued|starting)$/),
    max_attempts: null,
    reason: { code: 'ports_exhausted', message: textWith('PB_PORT_RANGE') },
  });
  for (const release of releases) release();
  await untilRunning(fathom, tenant.name);
  await writeAndRead(fathom, tenant, 'at last');
});

describe('the port of a database', () => {
  it('is never given to another one, so its owner can start it again when ports are out', async () => {
    const fathom = await deployment({}, { ports: 2 });
    await fathom.start();
    const { databases } = fathom.client;
    const [stopped] = await signUpMany(fathom, 2);
    if (!stopped) throw new Error('no tenant');
    const { port } = await databases.stop(stopped.name);

    await expect(signUp(fathom)).rejects.toMatchObject({ code: 'ports.exhausted' });
    const [row, other] = (await databaseRows(fathom)) as [DatabaseRow, DatabaseRow];
    const rows = (await controlPlane(fathom)).collection('user_databases');
    await expect(rows.update(row.id, { port: other.port })).rejects.toMatchObject({
      status: 400,
      response: { data: { port: { code: 'validation_not_unique' } } },
    });
    expect(await databases.start(stopped.name)).toMatchObject({ phase: 'running', port });
    await writeAndRead(fathom, stopped, 'after the sign-ups of others');
  });

  it('comes with neither URL nor token while the database does not run', async () => {
    const fathom = await deployment();
    await fathom.start();
    const { databases } = fathom.client;
    const tenant = await signUp(fathom);
    const { port } = await databases.stop(tenant.name);
    // Another process of the host receives what is sent there.
    const release = await occupy(port ?? 0);

    const closed = { name: tenant.name, url: null, token: null, port, status: 'Stopped' };
    expect((await signIn(fathom, tenant)).database).toEqual(closed);
    const users = new PocketBase(fathom.globalUrl).collection('users');
    const { meta } = await users.authWithPassword(tenant.email, PASSWORD);
    expect(meta?.['database']).toEqual(closed);
    expect(await instance(fathom, tenant.name)).toMatchObject({ url: null, port });
    expect(await fathom.client.lifecycle.status(tenant.userId)).toMatchObject({
      instance: { url: '', status: 'Stopped' },
    });

    release();
    const { url } = await databases.start(tenant.name);
    expect((await signIn(fathom, tenant)).database).toMatchObject({ url, token: expect.any(String) });
  });

  it('is reused last after it was deleted, also by the next daemon', async () => {
    const fathom = await deployment({}, { ports: 3 });
    const daemon = await fathom.start();
    const tenants = await signUpMany(fathom, 2);
    const portOf = async (name: string) => (await instance(fathom, name)).port;
    const [first, second] = await Promise.all(tenants.map(({ name }) => portOf(name)));
    for (const { userId } of tenants) await fathom.client.users.delete(userId);
    await daemon.stop();
    await fathom.start();

    const base = Number(fathom.env['PB_BASE_PORT']);
    const unused = [base, base + 1, base + 2].filter((port) => port !== first && port !== second);
    const given = [];
    for (let count = 0; count < 3; count += 1) given.push(await portOf((await signUp(fathom)).name));
    expect(given).toEqual([...unused, first, second]);
  });

  it('follows a range that was moved, and has no URL before', async () => {
    const fathom = await deployment({}, { ports: 4 });
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await fathom.client.databases.stop(tenant.name);
    await daemon.stop();
    const base = Number(fathom.env['PB_BASE_PORT']) + 2;
    const { port } = await rowOf(fathom, tenant);
    // Stopped without a port of the new range.
    const moved = port >= base ? { PB_PORT_RANGE: '2' } : { PB_BASE_PORT: String(base), PB_PORT_RANGE: '2' };
    await fathom.start(moved);
    expect(await instance(fathom, tenant.name)).toMatchObject({ url: null, port: null });
    const started = await fathom.client.databases.start(tenant.name);
    expect(started).toMatchObject({ phase: 'running', port: expect.any(Number) });
    expect(started.port).not.toBe(port);
    await writeAndRead(fathom, tenant, 'in the new range');
    await until(async () => (await rowOf(fathom, tenant)).port === started.port, { what: 'the row' });
  });

  it('is refused to the global PocketBase and to the API', async () => {
    const fathom = await deployment({}, { ports: 2 });
    const daemon = await fathom.start();
    const tenant = await signUp(fathom);
    await fathom.client.databases.stop(tenant.name);
    await daemon.stop();
    const { port } = await rowOf(fathom, tenant);
    const base = port + 1_000;
    for (const variable of ['PB_GLOBAL_PORT', 'SERVER_PORT']) {
      const other = fathom.launch({ PB_BASE_PORT: String(base), [variable]: String(port) });
      expect(await other.exited).toBe(78);
      expect(other.output()).toEqual(textWith(variable, port, tenant.name));
    }
  });
});

it('an upgrade gives one port to one database and leaves running ones alone', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const [stopped, runs] = (await signUpMany(fathom, 2)) as [Tenant, Tenant];
  const before = await instance(fathom, runs.name);
  await fathom.client.databases.stop(stopped.name);
  daemon.signal('SIGKILL');
  await daemon.exited;
  const processes = await fleetProcesses(fathom.dataDir);
  const global = processes.find(({ instance: name }) => name === 'global');
  kill(global?.pid ?? null, 'SIGTERM');
  await until(async () => !(await fleetProcesses(fathom.dataDir)).some(({ pid }) => pid === global?.pid), {
    what: 'the end of the global PocketBase',
  });
  // As an earlier release left them. The row that lost its port is the one of the running database.
  await undoMigration(fathom);
  const file = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  withDatabase(file, { readOnly: false }, (database) => {
    database
      .prepare(
        "UPDATE user_databases SET port = ?, desired = 'running', updated = '2099-01-01 00:00:00.000Z' WHERE name = ?",
      )
      .run(before.port, stopped.name);
  });

  await fathom.start();
  const rows = await until(
    async () => {
      const all = await databaseRows(fathom);
      return all.every(({ port }) => port > 0) ? all : null;
    },
    { what: 'a port in each row' },
  );
  expect(new Set(rows.map(({ port }) => port)).size).toBe(2);
  expect(rows.find(({ name }) => name === runs.name)).toMatchObject({ port: before.port });
  expect(await instance(fathom, runs.name)).toMatchObject({ pid: before.pid, port: before.port, run: null });
  for (const tenant of [stopped, runs]) await writeAndRead(fathom, tenant, 'after the upgrade');
});
