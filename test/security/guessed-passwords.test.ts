import { existsSync } from 'node:fs';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { expect, it } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';

const PER_ACCOUNT = 5;
const PER_NETWORK = 8;
const MEMBER = 'member@app.example.com';

/** A network of its own for each number. */
const networkOf = (n: number) => `2001:db8:${n.toString(16)}::1`;

let next = 1;
/** Signs in with a password at a user database. By default each attempt comes from another network. */
async function attempt(
  url: string,
  { identity, password = 'wrong', from = networkOf(next++), collection = 'users' }: Attempt,
) {
  return call(`POST`, `${url}/api/collections/${collection}/auth-with-password`, {
    body: { identity, password },
    headers: { 'x-forwarded-for': from },
  });
}

interface Attempt {
  identity: string;
  password?: string;
  from?: string;
  collection?: string;
}

async function pidOf(fathom: Deployment, { database }: Session) {
  const instances = await fathom.client.databases.all();
  return instances.find(({ port }) => port === database.port)?.pid ?? null;
}

async function addMembers(fathom: Deployment, { database }: Session): Promise<void> {
  const row = (await databaseRows(fathom)).find(({ port }) => port === database.port);
  if (!row) throw new Error('the user has no database');
  const superuser = await asSuperuser(fathom, row);
  await superuser.collections.create({ name: 'members', type: 'auth' });
  for (const email of [MEMBER, 'second@app.example.com']) {
    await superuser
      .collection('members')
      .create({ email, password: PASSWORD, passwordConfirm: PASSWORD, emailVisibility: true });
  }
}

it('passwords of a user database are guessed only as often as at the API, and the owner still signs in', async () => {
  const fathom = await deployment({
    TRUSTED_PROXIES: '127.0.0.1',
    SIGN_IN_FAILURES_PER_ACCOUNT: String(PER_ACCOUNT),
    SIGN_IN_FAILURES_PER_ADDRESS: String(PER_NETWORK),
  });
  await fathom.start();
  const ann = await signUp(fathom.url, 'ann@example.com');
  const beth = await signUp(fathom.url, 'beth@example.com');
  await addMembers(fathom, ann);
  const { url } = ann.database;
  const [before, other] = [await pidOf(fathom, ann), await pidOf(fathom, beth)];

  // Less than the limit changes nothing, and another database is not affected.
  expect((await attempt(beth.database.url, { identity: 'beth@example.com' })).status).toBe(400);
  for (let count = 0; count < PER_ACCOUNT; count += 1) {
    expect((await attempt(url, { identity: 'ann@example.com' })).status).toBe(400);
  }
  await until(async () => ![null, before].includes(await pidOf(fathom, ann)), {
    what: 'the instance to restart with limits',
  });
  expect(await pidOf(fathom, beth)).toBe(other);

  // Per account, also with another spelling.
  const statuses: number[] = [];
  for (let count = 0; count < 3 * PER_ACCOUNT; count += 1) {
    const identity = count % 2 === 0 ? 'ann@example.com' : 'ANN@example.com';
    statuses.push((await attempt(url, { identity })).status);
  }
  expect(statuses.filter((status) => status === 400).length).toBeLessThanOrEqual(PER_ACCOUNT);
  const refused = await attempt(url, { identity: 'ann@example.com', password: PASSWORD });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);

  // The owner gets a token through the API, and through the global PocketBase.
  const records = `${url}/api/collections/documents/records`;
  const { token } = (await signIn(fathom.url, 'ann@example.com')).database;
  expect((await call('GET', records, { headers: { authorization: token } })).status).toBe(200);
  const global = new PocketBase(fathom.globalUrl);
  const signedIn = await global.collection('users').authWithPassword('ann@example.com', PASSWORD);
  const exchanged = await call<Session>('POST', `${fathom.url}/api/v1/auth/exchange`, {
    body: { token: signedIn.token },
  });
  expect(exchanged.status).toBe(200);

  // Per /64, over all accounts of an application.
  const collection = 'members';
  const addresses = Array.from({ length: 2 * PER_NETWORK }, (_, n) => `2001:db8:f:f::${n + 1}`);
  const guesses: number[] = [];
  for (const [n, from] of addresses.entries()) {
    guesses.push((await attempt(url, { identity: `m${n}@app.example.com`, from, collection })).status);
  }
  expect(guesses.filter((status) => status === 400).length).toBeLessThanOrEqual(PER_NETWORK);
  expect(guesses.at(-1)).toBe(429);

  // A member is not locked out where it has signed in before.
  const home = '2001:db8:aaaa::7';
  const own = { identity: MEMBER, password: PASSWORD, from: home, collection };
  expect((await attempt(url, own)).status).toBe(200);
  const last = async () => (await attempt(url, { identity: MEMBER, collection })).status;
  for (let count = 0; count < PER_ACCOUNT; count += 1) await last();
  expect(await last()).toBe(429);
  expect((await attempt(url, { ...own, from: networkOf(next++) })).status).toBe(429);
  expect((await attempt(url, { ...own, from: '2001:db8:aaaa::8' })).status).toBe(200);
  // Other members are not affected.
  const second = { identity: 'second@app.example.com', password: PASSWORD, collection };
  expect((await attempt(url, second)).status).toBe(200);

  // Strangers cannot lock the superuser: their addresses are refused before they are counted.
  const superusers = { identity: 'admin@example.com', collection: '_superusers' };
  for (let count = 0; count <= PER_ACCOUNT; count += 1) {
    expect((await attempt(url, superusers)).status).toBe(403);
  }
  expect((await attempt(url, { ...superusers, from: '::1' })).status).toBe(400);

  // A restart keeps the limits and the counts.
  await fathom.client.databases.restart(ann.database.name);
  expect((await attempt(url, { identity: 'ann@example.com' })).status).toBe(429);
  const directory = join(fathom.dataDir, 'user_dbs', beth.database.name);
  expect(existsSync(join(directory, 'hooks'))).toBe(false);
});
