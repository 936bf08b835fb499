import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { User } from '../../shared/api/accounts/users.ts';
import { foldAddress } from '../../shared/email-address.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { type OpenIdProvider, openIdProvider, signInWithCode } from '../helpers/openid-provider.ts';
import { testedPocketBase } from '../helpers/tested-pocketbase.ts';
import { until } from '../helpers/until.ts';

const PACKAGE = join(import.meta.dirname, '..', '..');

let fathom: Deployment;
let daemon: Daemon;
let provider: OpenIdProvider;
let superuser: PocketBase;
let admin: string;

beforeAll(async () => {
  provider = await openIdProvider();
  fathom = await createDeployment({ ...provider.settings, SIGN_UPS_PER_ADDRESS: '10000' });
  daemon = await fathom.start();
  superuser = await controlPlane(fathom);
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
});

afterAll(async () => {
  provider.close();
  await fathom.dispose();
});

const register = (body: object) => call('POST', `${fathom.url}/api/v1/auth/register`, { body });
const patch = (id: string, body: object) =>
  call<User>('PATCH', `${fathom.url}/api/v1/users/${id}`, { token: admin, body });
const run = (args: readonly string[], input = '') =>
  fathomd([...args, '--socket', fathom.socketPath], { input });
const sdk = () => new PocketBase(fathom.globalUrl).collection('users');

/** The codes of the field `email` in the refusal at both doors: Fathom's API and the SDK at the global PocketBase. */
async function refusals(email: string): Promise<[string | undefined, string | undefined]> {
  const atTheApi = await register({ email, password: PASSWORD });
  const atTheSdk = await sdk()
    .create({ email, password: PASSWORD, passwordConfirm: PASSWORD })
    .then(
      () => undefined,
      (error: { response: { data: Record<string, { code: string }> } }) => error.response.data['email']?.code,
    );
  return [atTheApi.status === 201 ? undefined : atTheApi.body.code, atTheSdk];
}

const TAKEN = ['auth.email_taken', 'validation_not_unique'] as const;
const INVALID = ['request.invalid', 'validation_is_email'] as const;

describe('an address', () => {
  it.each([
    ['another case', 'JÜRGEN@EXAMPLE.com', TAKEN],
    ['letters that are composed otherwise', 'ju\u0308rgen@example.com', TAKEN],
    ['full width, which no new account has', 'ｊürgen@example.com', INVALID],
  ])('is one account, also in %s, at both doors', async (_, other, expected) => {
    const email = 'jürgen@example.com';
    // Of the first round; later ones find it.
    const known = await sdk()
      .authWithPassword(email, PASSWORD)
      .catch(() => null);
    const id = known?.record.id ?? (await signUp(fathom.url, email)).user.id;
    expect(await refusals(other)).toEqual(expected);
    expect((await signIn(fathom.url, other)).user.id).toBe(id);
    expect((await sdk().authWithPassword(other, PASSWORD)).record.id).toBe(id);
    const shown = await run(['users', 'show', other, '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ id, email });
  });

  it.each([
    ['invisible', 'a\u200bnn@example.com'],
    ['soft hyphen', 'a\u00adnn@example.com'],
    ['filler', 'a\u3164nn@example.com'],
    ['variation selector', 'a\ufe0fnn@example.com'],
    ['direction', 'ann\u202e@example.com'],
    ['mark of direction', '\u200fann@example.com'],
    ['control', 'a\u0085nn@example.com'],
    ['space', 'a\u00a0nn@example.com'],
    ['tag', 'ann\u{e0061}@example.com'],
    ['private', 'a\ue000nn@example.com'],
    ['end of the root domain', 'ann@example.com.'],
    ['quotes', '"ann"@example.com'],
    ['domain in two writings', 'ann@bücher.example'],
    ['domain without a dot', 'ann@localhost'],
    ['the address of another and a mark as its key', 'kim＠example.com/1@evil.example.com'],
    ['a letter that folds to two dots', 'a‥nn@example.com'],
    ['a letter that folds to words', 'ﷺ@example.com'],
    ['letters that would keep another mailbox out', 'ſtraße@example.com'],
  ])('with %s is refused at both doors', async (_, email) => {
    expect(await refusals(email)).toEqual(INVALID);
  });

  it('is the same rule for a change, by whomever, and for a sign-in provider', async () => {
    const { user } = await signUp(fathom.url, 'changes@example.com');
    await signUp(fathom.url, 'Zoë@example.com');
    const users = superuser.collection('users');
    for (const [email, code] of [
      ['ZOË@example.com', 'validation_not_unique'],
      ['\u202echanges@example.com', 'validation_is_email'],
    ] as const) {
      const response = { data: { email: { code } } };
      await expect(users.update(user.id, { email })).rejects.toMatchObject({ status: 400, response });
    }
    // Its own, in another writing, is no other account's.
    expect(await users.update(user.id, { email: 'Changes@example.com' })).toMatchObject({ id: user.id });

    const noel = await signUp(fathom.url, 'NOËL@example.com');
    const first = await signInWithCode(fathom.globalUrl, 'noël');
    expect(first.record).toMatchObject({ id: noel.user.id, email: 'noël@example.com', verified: true });
    // Verified from then on: the next sign-in takes nothing over, and ends nothing.
    const { token } = first;
    await signInWithCode(fathom.globalUrl, 'noël');
    expect((await call('POST', `${fathom.url}/api/v1/auth/exchange`, { body: { token } })).status).toBe(200);
  });

  it.each([
    ['strasse@example.com', 'straße'],
    ['ivy@example.com', 'ıvy'],
    ['fiona@example.com', 'ﬁona'],
  ])(
    '%s is not opened by a provider that has verified %s, which can be another mailbox',
    async (email, other) => {
      const { token, user } = await signUp(fathom.url, email);
      await expect(signInWithCode(fathom.globalUrl, other)).rejects.toMatchObject({ status: 400 });
      expect(await call('GET', `${fathom.url}/api/v1/me`, { token })).toMatchObject({
        status: 200,
        body: { id: user.id, email },
      });
      expect((await signInWithCode(fathom.globalUrl, email.split('@')[0] ?? '')).record.id).toBe(user.id);
    },
  );

  it('is made once, however many writings ask at the same time', async () => {
    const writings = ['LÉA@example.com', 'léa@example.com', 'Léa@Example.com', 'le\u0301a@example.com'];
    const answers = await Promise.all(
      [...writings, ...writings].map((email) => register({ email, password: PASSWORD })),
    );
    const made = answers.filter(({ status }) => status === 201);
    const taken = answers.filter(({ body }) => body.code === 'auth.email_taken');
    expect([made.length, taken.length]).toEqual([1, 7]);
  });

  it('is stored under the key by which the daemon looks for it', async () => {
    const accounts = await superuser.collection('users').getFullList();
    expect(accounts.length).toBeGreaterThan(4);
    for (const { email, email_key } of accounts) expect(email_key).toBe(foldAddress(String(email)));
  });
});

async function requireCompany(collection: string, more: object[] = []): Promise<void> {
  const { fields } = await superuser.collections.getOne(collection);
  const company = { name: 'company', type: 'text', required: true };
  await superuser.collections.update(collection, { fields: [...fields, company, ...more] });
}

const add = (...args: string[]) =>
  run(['users', 'add', 'cli@example.com', '--password-stdin', ...args], `${PASSWORD}\n`);

describe('a field that the administrator made required', () => {
  let ann: Session;

  beforeAll(async () => {
    ann = await signUp(fathom.url, 'ann@example.com');
    await requireCompany('users', [{ name: 'nick', type: 'text', pattern: '^[a-z]*$' }]);
    for (const own of ['sessions', 'api_keys', 'user_databases', 'sealed_secrets']) await requireCompany(own);
  });

  it('does not keep an account from being locked out, given a role, or let in again', async () => {
    expect(await patch(ann.user.id, { is_active: false })).toMatchObject({
      status: 200,
      body: { is_active: false },
    });
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token: ann.token })).status).toBe(401);
    await expect(signIn(fathom.url, 'ann@example.com')).rejects.toThrow('answered 401');
    const owner = new PocketBase(ann.database.url).collection('users');
    await until(
      () =>
        owner.authWithPassword('ann@example.com', PASSWORD).then(
          () => false,
          () => true,
        ),
      {
        what: 'the own database to refuse the password',
      },
    );
    expect((await patch(ann.user.id, { is_active: true, role: 'viewer' })).status).toBe(200);
    expect((await patch(ann.user.id, { role: 'user' })).status).toBe(200);
  });

  it('does not keep people from signing in, making keys, or changing their password', async () => {
    const { token } = await signIn(fathom.url, 'ann@example.com');
    const key = await call('POST', `${fathom.url}/api/v1/api-keys`, { token, body: { name: 'k' } });
    expect(key.status).toBe(201);
    const self = new PocketBase(fathom.globalUrl);
    await self.collection('users').authWithPassword('ann@example.com', PASSWORD);
    const password = 'another-password';
    await self
      .collection('users')
      .update(ann.user.id, { oldPassword: PASSWORD, password, passwordConfirm: password });
    const { database } = await signIn(fathom.url, 'ann@example.com', password);
    const owner = new PocketBase(database.url).collection('users');
    await expect(owner.authWithPassword('ann@example.com', password)).resolves.toBeDefined();
  });

  it('still counts for what is changed', async () => {
    const users = superuser.collection('users');
    await users.update(ann.user.id, { company: 'Ann & Co', nick: 'ann' });
    for (const [changes, field] of [
      [{ company: '' }, 'company'],
      [{ nick: 'NOT LOWER' }, 'nick'],
    ] as const) {
      const data = { [field]: { code: expect.any(String) as string } };
      await expect(users.update(ann.user.id, changes)).rejects.toMatchObject({ response: { data } });
    }
  });

  it.each([
    ['by a sign-up', '/api/v1/auth/register'],
    ['by an administrator', '/api/v1/users'],
  ])('is named when it is missing in an account that is made %s, and is taken', async (what, path) => {
    const make = (body: object) => call('POST', `${fathom.url}${path}`, { token: admin, body });
    const account = { email: `${what.replaceAll(' ', '-')}@example.com`, password: PASSWORD };
    expect(await make(account)).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path: 'company' }] },
    });
    // Only administrators confirm addresses.
    const forbidden = what === 'by a sign-up' ? [{ verified: true }] : [];
    for (const further of [
      ...forbidden,
      { tokenKey: 'x'.repeat(50) },
      { is_active: false },
      { id: 'a'.repeat(15) },
    ]) {
      const [field] = Object.keys(further);
      const answer = await make({ ...account, company: 'C', ...further });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: field }] } });
    }
    expect((await make({ ...account, company: 'C' })).status).toBe(201);
    const made = await superuser.collection('users').getFirstListItem(`email = '${account.email}'`);
    expect(made['company']).toBe('C');
  });

  it('is given to a command', async () => {
    expect(await add()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('company') as string });
    expect(await add('--field', 'company')).toMatchObject({ exitCode: 2 });
    expect(await add('--field', 'company=A=B')).toMatchObject({ exitCode: 0 });
    expect(await superuser.collection('users').getFirstListItem("email = 'cli@example.com'")).toMatchObject({
      company: 'A=B',
    });
  });

  it('is given by a program that signs a user in by a provider', async () => {
    const data = { company: { code: 'validation_required' } };
    await expect(signInWithCode(fathom.globalUrl, 'new')).rejects.toMatchObject({ response: { data } });
    const made = await signInWithCode(fathom.globalUrl, 'new', { company: 'C' });
    expect(made.record).toMatchObject({ email: 'new@example.com', company: 'C' });
    expect(made.meta?.['database']).toMatchObject({ status: 'Running' });
  });

  it('does not keep the daemon from making another administrator', async () => {
    await daemon.stop();
    daemon = await fathom.start({ PB_ADMIN_EMAIL: 'chief@example.com' });
    const session = await signIn(fathom.url, 'chief@example.com', fathom.admin.password);
    expect(session.user.role).toBe('admin');
  });
});

const twin = (email: string) => `{
  const record = new Record(app.findCollectionByNameOrId('users'));
  record.setEmail('${email}');
  record.setPassword('${PASSWORD}');
  record.set('role', 'user');
  record.set('is_active', true);
  app.save(record);
}`;

/** What two accounts of one address were before addresses had keys: made by the migrations of then. */
async function withTwins(data: string): Promise<void> {
  const migrations = await mkdtemp(join(tmpdir(), 'fathom-migrations-'));
  const own = join(PACKAGE, 'pb_migrations', 'global');
  for (const file of (await readdir(own)).filter((name) => name < '1763700400'))
    await cp(join(own, file), join(migrations, file));
  const twins = ['jürgen@example.com', 'JÜRGEN@example.com'].map(twin).join('\n');
  await writeFile(join(migrations, '1763700399_twins.js'), `migrate((app) => {${twins}});`);
  const { path } = await verifyBinary(await testedPocketBase());
  const hooks = join(PACKAGE, 'pb_hooks', 'global');
  await execa(path, [
    'migrate',
    'up',
    `--dir=${data}`,
    `--migrationsDir=${migrations}`,
    `--hooksDir=${hooks}`,
    '--hooksWatch=false',
    '--automigrate=false',
    '--dev=false',
  ]);
  await rm(migrations, { recursive: true });
}

it('two earlier accounts of one address are kept, found by the doctor, and not mixed up', async () => {
  const old = await deployment({}, { empty: true });
  await withTwins(join(old.dataDir, 'global', 'pb_data'));
  await old.start();
  const ids = await Promise.all(
    ['jürgen@example.com', 'JÜRGEN@example.com'].map(async (email) => (await signIn(old.url, email)).user.id),
  );
  expect(new Set(ids).size).toBe(2);
  const taken = await call('POST', `${old.url}/api/v1/auth/register`, {
    body: { email: 'Ju\u0308RGEN@example.com', password: PASSWORD },
  });
  expect(taken).toMatchObject({ status: 409, body: { code: 'auth.email_taken' } });

  const command = (args: string[]) => fathomd([...args, '--socket', old.socketPath]);
  const exact = await command(['users', 'set', 'JÜRGEN@example.com', '--no-active', '--json']);
  expect(JSON.parse(exact.stdout)).toMatchObject({ id: ids[1], is_active: false });
  const ambiguous = await command(['users', 'set', 'ju\u0308rgen@EXAMPLE.com', '--no-active']);
  expect(ambiguous).toMatchObject({ exitCode: 1, stdout: '' });
  for (const id of ids) expect(ambiguous.stderr).toContain(id);
  const { items } = await old.client.users.list({ is_active: false });
  expect(items.map(({ id }) => id)).toEqual([ids[1]]);

  const [finding] = (await doctorFindings(old)).filter(({ id }) => id === 'addresses');
  expect(finding?.level).toBe('warning');
  for (const id of ids) expect(finding?.summary).toContain(id);
});
