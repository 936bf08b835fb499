import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from '../../shared/api/contract/page.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';

const DOCUMENTS = 7;
const FIELDS = [
  { name: 'id', type: 'text', hidden: false },
  { name: 'title', type: 'text', hidden: false },
  { name: 'data', type: 'json', hidden: false },
  { name: 'files', type: 'file', hidden: false },
  { name: 'created', type: 'autodate', hidden: false },
  { name: 'updated', type: 'autodate', hidden: false },
];

let fathom: Deployment;
let admin: string;
let ann: Session;
let base: string;

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  admin = (await signIn(fathom.url, fathom.admin.email, fathom.admin.password)).token;
  ann = await signUp(fathom.url, 'ann@example.com');
  base = `${fathom.url}/api/v1/databases/${ann.database.name}/collections`;
  const owner = new PocketBase(ann.database.url);
  owner.authStore.save(ann.database.token);
  for (let index = 0; index < DOCUMENTS; index += 1) {
    await owner.collection('documents').create({ title: `title ${index}`, data: { index } });
  }
});

afterAll(() => fathom.dispose());

type Records = Page<Record<string, unknown>>;

async function records(path: string): Promise<Records> {
  const { status, body } = await call<Records>('GET', `${base}/${path}`, { token: admin });
  expect(status, path).toBe(200);
  return body;
}

async function found(search: string): Promise<unknown[]> {
  const { items } = await records(`texts/records?search=${encodeURIComponent(search)}`);
  return items.map(({ a }) => a);
}

describe('browsing a user database', () => {
  it('lists its collections with the number of records', async () => {
    const { items, total } = await fathom.client.databases.collections(ann.database.name);
    expect(total).toBe(items.length);
    expect(items).toEqual(
      expect.arrayContaining([
        { name: 'documents', type: 'base', system: false, records: DOCUMENTS, fields: FIELDS },
        ...[
          { name: 'users', type: 'auth', system: false, records: 1 },
          { name: '_superusers', type: 'auth', system: true, records: null },
          { name: '_externalAuths', type: 'base', system: true, records: 0 },
        ].map((summary) => expect.objectContaining(summary) as object),
      ]),
    );
    const { body } = await call<Page<object>>('GET', `${base}?page=2&per_page=2`, { token: admin });
    expect(body).toMatchObject({ page: 2, per_page: 2, total });
    expect(body.items).toEqual(items.slice(2, 4));
  });

  it('searches records by their texts', async () => {
    const shown = await records('documents/records?search=TITLE%203');
    expect(shown.items.map(({ title }) => title)).toEqual(['title 3']);
    expect((await records('documents/records?search=')).total).toBe(DOCUMENTS);
    expect((await records('documents/records?search=title&sort=-title&per_page=2')).items).toMatchObject([
      { title: `title ${DOCUMENTS - 1}` },
      { title: `title ${DOCUMENTS - 2}` },
    ]);
    expect((await records('users/records?search=ann%40')).total).toBe(1);
  });

  it('takes a searched text literally, and does not search secrets', async () => {
    const [row] = await databaseRows(fathom);
    if (!row) throw new Error('there is no row');
    const superuser = await asSuperuser(fathom, row);
    await superuser.collections.create({
      name: 'texts',
      type: 'base',
      fields: [
        { type: 'text', name: 'a' },
        { type: 'text', name: '1b' },
        { type: 'editor', name: 'c' },
        { type: 'text', name: 'secret', hidden: true },
      ],
    });
    const texts = [
      "it's",
      'say "x"',
      '100% sure',
      'a_b',
      'C:\\',
      "\\'",
      '$& $` $$',
      '{:search}',
      '日本語 😀',
      '// c',
    ];
    // No letters, as ids are searched, too.
    const ids = texts.map((_, index) => String(index).padStart(15, '0'));
    for (const [index, a] of texts.entries())
      await superuser.collection('texts').create({ id: ids[index], a, secret: 'abc' });
    for (const text of texts.filter((one) => one !== "\\'")) expect(await found(text), text).toEqual([text]);
    // A backslash matches any character.
    expect(await found("\\'")).toEqual(["\\'", "it's"]);
    expect(await found('\\')).toHaveLength(texts.length);
    expect(await found('%')).toEqual(['100% sure']);
    expect(await found('_')).toEqual(['a_b']);
    for (const attack of [
      "x' || id != '",
      "x\\' || id != '",
      ' || secret ~ "a" //\\',
      '\' || secret ~ "a" //',
      'x" || id != "',
      '@request.auth.id',
      'id',
      '\u{10FFFF}',
    ])
      expect(await found(attack), attack).toEqual([]);
    expect(await found('abc')).toEqual([]);
    await superuser.collections.delete('texts');
  });

  it('refuses a search that is not possible', async () => {
    const [row] = await databaseRows(fathom);
    if (!row) throw new Error('there is no row');
    const superuser = await asSuperuser(fathom, row);
    await superuser.collections.create({
      name: 'wide',
      type: 'base',
      fields: Array.from({ length: 60 }, (_, index) => ({ type: 'text', name: `field_${index}` })),
    });
    await superuser.collection('wide').create({ field_59: 'the last' });
    expect((await records('wide/records?search=the%20last')).total).toBe(1);
    for (const search of ['x'.repeat(100), 'x'.repeat(101), 'x'.repeat(10_000), 'a%00b'])
      expect(await call('GET', `${base}/wide/records?search=${search}`, { token: admin })).toMatchObject({
        status: 400,
        body: { code: 'request.invalid', errors: [{ path: 'search' }] },
      });
    await superuser.collections.delete('wide');
  });

  it('lists records, newest first, paged and sorted', async () => {
    const newest = await records('documents/records');
    expect(newest).toMatchObject({ page: 1, per_page: 50, total: DOCUMENTS });
    expect(newest.items.map(({ title }) => title)).toEqual(
      Array.from({ length: DOCUMENTS }, (_, index) => `title ${DOCUMENTS - 1 - index}`),
    );
    expect(newest.items.at(-1)).toEqual({
      id: expect.any(String) as string,
      title: 'title 0',
      data: { index: 0 },
      files: [],
      created: expect.any(String) as string,
      updated: expect.any(String) as string,
    });
    const third = await records('documents/records?page=3&per_page=3&sort=title');
    expect(third.items.map(({ title }) => title)).toEqual(['title 6']);
    const viaClient = await fathom.client.databases.records(ann.database.name, 'documents', {
      sort: '-title',
      per_page: 1,
    });
    expect(viaClient.items.map(({ title }) => title)).toEqual(['title 6']);
  });

  it('covers what is secret, which its own access is shown', async () => {
    const [row] = await databaseRows(fathom);
    if (!row) throw new Error('there is no row');
    const superuser = await asSuperuser(fathom, row);
    await superuser.collections.create({
      name: 'keys',
      type: 'base',
      fields: [
        { type: 'text', name: 'label' },
        { type: 'text', name: 'note', hidden: true },
        { type: 'text', name: 'api_secret' },
        { type: 'password', name: 'pin' },
      ],
    });
    await superuser.collections.create({
      name: 'peek',
      type: 'view',
      viewQuery: 'SELECT id, label, note AS remark FROM keys',
    });
    const values = { label: 'shown', note: 'hidden-value', api_secret: 'secret-value', pin: 'pin-value-1' };
    expect(await superuser.collection('keys').create(values)).toMatchObject({ note: 'hidden-value' });

    const collections = (await fathom.client.databases.collections(ann.database.name)).items;
    const hiddenOf = (collection: string) =>
      collections
        .find(({ name }) => name === collection)
        ?.fields.flatMap((field) => (field.hidden ? [field.name] : []));
    expect(hiddenOf('keys')).toEqual(['note', 'api_secret', 'pin']);
    expect(hiddenOf('peek')).toEqual(['remark']);
    expect(hiddenOf('users')).toEqual(['password', 'tokenKey']);

    const { items } = await records('keys/records');
    expect(items).toMatchObject([{ label: 'shown', note: '[redacted]', api_secret: '[redacted]' }]);
    const viewed = await records('peek/records?sort=label');
    expect(viewed.items).toMatchObject([{ label: 'shown', remark: '[redacted]' }]);
    const users = await records('users/records');
    expect(users.items).toMatchObject([{ id: ann.user.id, email: 'ann@example.com' }]);
    expect(JSON.stringify([items, viewed, users])).not.toMatch(/-value|tokenKey|\$2a\$/);

    for (const [collection, sort] of [
      ['users', 'tokenKey'],
      ['users', '-password'],
      ['keys', 'note'],
      ['keys', '-api_secret'],
      ['keys', 'label,note'],
      ['keys', '+note'],
      ['peek', 'remark'],
    ] as const) {
      expect(
        await call('GET', `${base}/${collection}/records?sort=${encodeURIComponent(sort)}`, { token: admin }),
      ).toMatchObject({ status: 400, body: { code: 'request.invalid', errors: [{ path: 'sort' }] } });
    }
  });

  it.each(['_superusers', '_SUPERUSERS', 'pbc_3142635823'])(
    'does not show superusers, as %s',
    async (name) => {
      const answer = await call('GET', `${base}/${name}/records`, { token: admin });
      expect(answer).toMatchObject({ status: 403, body: { code: 'auth.forbidden' } });
    },
  );

  it('is for administrators and the owner, and only reads', async () => {
    const bob = await signUp(fathom.url, 'bob@example.com');
    const keyOf = async (permissions?: string[]) => {
      const { body } = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
        token: ann.token,
        body: { name: 'key', ...(permissions && { permissions }) },
      });
      return body.key;
    };
    const keys = [await keyOf(), await keyOf(['databases.browse'])];
    const otherKey = await keyOf(['databases.read', 'backups.read']);
    for (const path of ['', '/documents/records']) {
      expect((await call('GET', base + path)).status).toBe(401);
      for (const token of [ann.token, ...keys])
        expect((await call('GET', base + path, { token })).status).toBe(200);
      for (const token of [bob.token, otherKey])
        expect(await call('GET', base + path, { token })).toMatchObject({
          status: 403,
          body: { code: 'auth.forbidden' },
        });
      for (const method of ['POST', 'PATCH', 'PUT', 'DELETE'])
        expect((await call(method, base + path, { token: ann.token, body: {} })).status).toBe(405);
      for (const method of ['POST', 'PATCH', 'PUT', 'DELETE']) {
        expect((await call(method, base + path, { token: admin, body: {} })).status).toBe(405);
      }
    }
  });

  it("shows owners neither secrets nor PocketBase's own collections", async () => {
    const { token } = ann;
    const { body } = await call<Page<{ name: string }>>('GET', base, { token });
    expect(body.items.map(({ name }) => name).toSorted()).toEqual(['documents', 'keys', 'peek', 'users']);
    for (const name of ['_superusers', '_SUPERUSERS', 'pbc_3142635823', '_externalAuths', '_otps', '_mfas'])
      expect(await call('GET', `${base}/${name}/records`, { token })).toMatchObject({
        status: 403,
        body: { code: 'auth.forbidden' },
      });
    for (const name of ['keys', 'peek', 'users']) {
      const answer = await call<Records>('GET', `${base}/${name}/records`, { token });
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.body)).not.toMatch(/-value|tokenKey":"(?!\[redacted)|\$2a\$/);
    }
    const sorted = await call('GET', `${base}/keys/records?sort=note`, { token });
    expect(sorted).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  });

  it('limits what an owner reads at once and in a minute', async () => {
    const cleo = await signUp(fathom.url, 'cleo@example.com');
    const owner = new PocketBase(cleo.database.url);
    owner.authStore.save(cleo.database.token);
    for (let index = 0; index < 3; index += 1)
      await owner.collection('documents').create({ data: 'x'.repeat(900_000) });
    const url = `${fathom.url}/api/v1/databases/${cleo.database.name}/collections/documents/records`;
    const read = async (query = '', token = cleo.token) => {
      const { status, headers, body } = await call('GET', `${url}${query}`, { token });
      // Without the records, which are large.
      return { status, headers, body: { code: body.code, errors: body.errors } };
    };
    expect(await read()).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path: 'per_page' }] },
    });
    expect((await read('?per_page=2')).status).toBe(200);
    expect((await read('', admin)).status).toBe(200);
    const many = await Promise.all(Array.from({ length: 10 }, () => read('?per_page=1')));
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200, 429]));
    let answer = await read('?page=9');
    for (let count = 0; answer.status === 200 && count < 500; count += 1) answer = await read('?page=9');
    expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await read('', admin)).status).toBe(200);
  });

  it('says what is not there', async () => {
    expect(await call('GET', `${base}/nothing/records`, { token: admin })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
    for (const [path, status] of [
      ['documents%2f..%2f_superusers/records', 400],
      ['..%2f..%2fsettings/records', 400],
      ['documents/records?sort=data.secret', 400],
      ['documents/records?sort=@request.auth.id', 400],
      ['documents/records?per_page=501', 400],
    ] as const) {
      expect((await call('GET', `${base}/${path}`, { token: admin })).status, path).toBe(status);
    }
    for (const name of ['2024-01-15-001-nobody', 'global']) {
      const url = `${fathom.url}/api/v1/databases/${name}/collections`;
      expect([400, 404]).toContain((await call('GET', url, { token: admin })).status);
    }
  });

  it('needs the instance to run', async () => {
    await fathom.client.databases.stop(ann.database.name);
    for (const path of ['', '/documents/records']) {
      const answer = await call('GET', base + path, { token: admin });
      expect(answer).toMatchObject({ status: 409, body: { code: 'instance.not_running' } });
    }
    await fathom.client.databases.start(ann.database.name);
    expect((await records('documents/records')).total).toBe(DOCUMENTS);
  });

  it('wakes a database that sleeps, for its owner', async () => {
    await until(
      async () => {
        // A database that was used a moment ago does not sleep.
        const slept = await call('POST', `${base}/../sleep`, { token: admin, body: { force: true } });
        return slept.status === 200;
      },
      { what: 'the database to sleep' },
    );
    const answer = await call<Records>('GET', `${base}/documents/records`, { token: ann.token });
    expect(answer).toMatchObject({ status: 200, body: { total: DOCUMENTS } });
    expect((await fathom.client.databases.get(ann.database.name)).phase).toBe('running');
  });
});
