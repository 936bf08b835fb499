import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import PocketBase, { type ClientResponseError } from 'pocketbase';
import type { Instance } from '../../shared/api/instances.ts';
import type { Deployment } from './deployment.ts';
import { fathomd } from './fathomd.ts';
import { instance, PASSWORD, type Tenant } from './fleet-actions.ts';
import { type DatabaseRow, databaseRows } from './fleet-state.ts';

export async function setAccess(
  { socketPath }: Deployment,
  { name }: Tenant,
  access: string,
): Promise<Instance> {
  const command = ['databases', 'set', name, '--access', access, '--json', '--socket', socketPath];
  const { exitCode, stdout, stderr } = await fathomd(command);
  if (exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Instance;
}

export async function rowOf(fathom: Deployment, { name }: Tenant): Promise<DatabaseRow> {
  const row = (await databaseRows(fathom)).find((one) => one.name === name);
  if (row === undefined) throw new Error(`no row of ${name}`);
  return row;
}

export async function clientOf(fathom: Deployment, tenant: Tenant): Promise<PocketBase> {
  const client = new PocketBase(`http://127.0.0.1:${(await rowOf(fathom, tenant)).port}`);
  client.autoCancellation(false);
  return client;
}

/** The owner, signed in with the password of the account as a superuser of the own database. */
export async function developer(
  fathom: Deployment,
  tenant: Tenant,
  password = PASSWORD,
): Promise<PocketBase> {
  const client = await clientOf(fathom, tenant);
  await client.collection('_superusers').authWithPassword(tenant.email, password);
  return client;
}

/** The status and the message of a request that fails. */
export async function refused(request: Promise<unknown>): Promise<{ status: number; message: string }> {
  const outcome = await request.then(
    (answer) => new Error(`it was not refused: ${JSON.stringify(answer)}`),
    (error: ClientResponseError) => error,
  );
  if (!('status' in outcome)) throw outcome;
  return { status: outcome.status, message: outcome.message };
}

/** Runs SQL on the file of a database. */
export async function sql<T>(
  fathom: Deployment,
  { name }: Tenant,
  work: (database: DatabaseSync) => T,
): Promise<T> {
  using database = new DatabaseSync(`${(await instance(fathom, name)).db_path}/data.db`);
  return work(database);
}

export function superusersOf(fathom: Deployment, tenant: Tenant): Promise<Record<string, SQLOutputValue>[]> {
  return sql(fathom, tenant, (database) =>
    database.prepare('SELECT id, email FROM _superusers ORDER BY email').all(),
  );
}
