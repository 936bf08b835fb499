import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect } from 'vitest';
import { isDatabaseName, parseDatabaseName } from '../../shared/database-name.ts';
import type { Deployment } from './deployment.ts';
import { PASSWORD, signIn } from './http-call.ts';
import { fleetProcesses } from './leaks.ts';
import { until } from './until.ts';

export interface DatabaseRow {
  id: string;
  name: string;
  user: string;
  state: string;
  desired: string;
  port: number;
  day: string;
  number: number;
  superuser_secret: string;
}

/** The global PocketBase as its superuser sees it. */
export async function controlPlane({ globalUrl, admin }: Deployment): Promise<PocketBase> {
  const client = new PocketBase(globalUrl);
  client.autoCancellation(false);
  await client.collection('_superusers').authWithPassword(admin.email, admin.password);
  return client;
}

export async function databaseRows(fathom: Deployment): Promise<DatabaseRow[]> {
  const client = await controlPlane(fathom);
  return client.collection<DatabaseRow>('user_databases').getFullList({ sort: 'created' });
}

export async function usersWithDatabases(
  fathom: Deployment,
): Promise<{ id: string; email: string; role: string }[]> {
  const client = await controlPlane(fathom);
  return client.collection('users').getFullList({ filter: "role = 'user'" });
}

/**
 * Waits until the fleet is settled, then checks its invariants: every user has exactly one complete, running database
 * that the owner can sign in to, and there is no other database.
 *
 * @param acknowledged addresses whose sign-up was answered with success
 */
export async function expectWholeFleet(
  fathom: Deployment,
  acknowledged: readonly string[] = [],
): Promise<DatabaseRow[]> {
  await until(
    async () => {
      const [rows, users, processes, directories] = await Promise.all([
        databaseRows(fathom),
        usersWithDatabases(fathom),
        fleetProcesses(fathom.dataDir),
        readdir(join(fathom.dataDir, 'user_dbs')),
      ]);
      const ready = rows.filter(({ state }) => state === 'ready');
      // A copy that is not needed is removed after the database is ready.
      const counts = [ready.length, processes.length - 1, directories.length];
      return counts.every((count) => count === users.length);
    },
    { what: 'as many ready databases, processes and directories as there are users' },
  );
  const [rows, users, processes, directories] = await Promise.all([
    databaseRows(fathom),
    usersWithDatabases(fathom),
    fleetProcesses(fathom.dataDir),
    readdir(join(fathom.dataDir, 'user_dbs')),
  ]);
  expect(users.map(({ email }) => email)).toEqual(expect.arrayContaining([...acknowledged]));
  expect(rows.map(({ user }) => user).toSorted()).toEqual(users.map(({ id }) => id).toSorted());

  const names = rows.map(({ name }) => name).toSorted();
  expect(names.every(isDatabaseName)).toBe(true);
  expect(new Set(rows.map(({ day, number }) => `${day} ${number}`)).size).toBe(rows.length);
  for (const { name, day, number } of rows) expect(parseDatabaseName(name)).toMatchObject({ day, number });
  expect(directories.toSorted()).toEqual(names);
  expect(processes.map(({ instance }) => instance).toSorted()).toEqual([...names, 'global'].toSorted());
  for (const name of names) {
    const data = join(fathom.dataDir, 'user_dbs', name, 'pb_data');
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    expect((await readdir(data)).toSorted()).toEqual(
      expect.arrayContaining(['auxiliary.db', 'data.db', 'types.d.ts']),
    );
  }
  await Promise.all(users.map(({ email }) => expectOwnerGetsIn(fathom, email)));
  return rows;
}

async function expectOwnerGetsIn(fathom: Deployment, email: string): Promise<void> {
  const { user, database } = await signIn(fathom.url, email, PASSWORD);
  expect(database.status).toBe('Running');
  const owner = new PocketBase(database.url);
  owner.autoCancellation(false);
  owner.authStore.save(database.token);
  const { record } = await owner.collection('users').authRefresh();
  expect(record.id).toBe(user.id);
  const written = await owner.collection('documents').create({ title: email });
  expect(await owner.collection('documents').getOne(written.id)).toMatchObject({ title: email });
}

/** SQLITE_CONSTRAINT_TRIGGER: a trigger raised an error. Source: sqlite.org/rescode.html */
export const REFUSED_BY_TRIGGER = { errcode: 1811 };
