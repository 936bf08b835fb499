import { randomBytes } from 'node:crypto';
import PocketBase from 'pocketbase';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { Deployment } from './deployment.ts';
import { until } from './until.ts';

export const PASSWORD = 'a-good-password';

/** A user with a running database. */
export interface Tenant {
  email: string;
  token: string;
  userId: string;
  /** Name of the database. */
  name: string;
  /** Token of the owner in the own database. */
  ownerToken: string;
}

export async function signUp(fathom: Deployment, label = 'user'): Promise<Tenant> {
  const email = `${label}-${randomBytes(4).toString('hex')}@example.com`;
  const { token, user, database } = await fathom.client.auth.register({ email, password: PASSWORD });
  if (!database?.token) throw new Error(`no database for ${email}`);
  return { email, token, userId: user.id, name: database.name, ownerToken: database.token };
}

/** Several at a time: what takes long in a sign-up is the hash of the password. */
export async function signUpMany(fathom: Deployment, count: number): Promise<Tenant[]> {
  const tenants: Tenant[] = [];
  while (tenants.length < count) {
    const next = Math.min(4, count - tenants.length);
    tenants.push(...(await Promise.all(Array.from({ length: next }, () => signUp(fathom)))));
  }
  return tenants;
}

export function signIn(fathom: Deployment, tenant: Tenant): Promise<Session> {
  return fathom.client.auth.login({ email: tenant.email, password: PASSWORD });
}

export function instance(fathom: Deployment, name: string): Promise<Instance> {
  return fathom.client.databases.get(name);
}

/** The instance once it is so. */
export function untilInstance(
  fathom: Deployment,
  name: string,
  isSo: (it: Instance) => boolean,
  what: string,
  timeoutMs?: number,
): Promise<Instance> {
  let seen: Instance | null = null;
  return until(
    async () => {
      seen = await instance(fathom, name);
      return isSo(seen) ? seen : null;
    },
    { timeoutMs, what: () => `${name} ${what}; it is ${JSON.stringify(seen)}` },
  );
}

/** The instance once it runs: after a start of the daemon, that can take longer than the daemon itself. */
export function untilRunning(fathom: Deployment, name: string, timeoutMs?: number): Promise<Instance> {
  return untilInstance(fathom, name, ({ phase }) => phase === 'running', 'to run', timeoutMs);
}

/** Runs with another process than before. */
export function untilReplaced(
  fathom: Deployment,
  before: Pick<Instance, 'name' | 'pid'>,
  timeoutMs?: number,
): Promise<Instance> {
  return untilInstance(
    fathom,
    before.name,
    ({ phase, pid }) => phase === 'running' && pid !== before.pid,
    'to run again',
    timeoutMs,
  );
}

export function kill(pid: number | null, signal: NodeJS.Signals): void {
  if (pid === null) throw new Error('there is no process');
  process.kill(pid, signal);
}

/** The owner's client of the own database. */
export async function ownerOf(fathom: Deployment, tenant: Tenant): Promise<PocketBase> {
  const { url } = await instance(fathom, tenant.name);
  const client = new PocketBase(url ?? '');
  client.autoCancellation(false);
  client.authStore.save(tenant.ownerToken);
  return client;
}

/** Proves that the database takes writes and has kept what it was given. */
export async function writeAndRead(fathom: Deployment, tenant: Tenant, title: string): Promise<void> {
  const owner = await ownerOf(fathom, tenant);
  const { id } = await owner.collection('documents').create({ title });
  const read = await owner.collection('documents').getOne(id);
  if (read['title'] !== title) throw new Error(`${tenant.name} read ${String(read['title'])}`);
}
