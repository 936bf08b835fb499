import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownerSuperuserId } from '../../daemon/databases/developer/owner-superuser.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { developer, refused, setAccess, superusersOf } from '../helpers/developer.ts';
import { PASSWORD, signUp, type Tenant } from '../helpers/fleet-actions.ts';

let fathom: Deployment;
let ann: Tenant;

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  ann = await signUp(fathom, 'ann');
  await setAccess(fathom, ann, 'developer');
});

afterAll(() => fathom.dispose());

/** What the hooks say of a host or a port. */
const TARGET = /OWNER_ALLOWED_TARGETS|Write it as/;

describe('a developer who attacks', () => {
  it('cannot change, delete, add or impersonate superusers', async () => {
    const client = await developer(fathom, ann);
    const records = client.collection('_superusers');
    const [own] = await superusersOf(fathom, ann);
    const fathoms = (await superusersOf(fathom, ann)).find(
      ({ email }) => email === 'fathom@localhost.internal',
    );
    for (const id of [String(fathoms?.['id']), ownerSuperuserId(ann.userId)]) {
      expect((await refused(records.update(id, { email: 'x@example.com' }))).status).toBe(403);
      const both = { password: 'new-password-1', passwordConfirm: 'new-password-1' };
      expect((await refused(records.update(id, both))).status).toBe(403);
      expect((await refused(records.delete(id))).status).toBe(403);
      expect((await refused(records.impersonate(id, 3600))).status).toBe(403);
    }
    const added = { email: 'mallory@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    expect(await refused(records.create(added))).toMatchObject({
      status: 403,
      message:
        'Superusers of this database are managed by Fathom. Change the password and the address of the account instead.',
    });
    await refused(client.collections.truncate('_superusers'));
    await refused(client.collections.delete('_superusers'));
    expect(
      (
        await refused(
          client.collections.update('_superusers', { authToken: { secret: 'a'.repeat(50), duration: 60 } }),
        )
      ).status,
    ).toBe(403);
    const [collection] = (await client.collections.getFullList()).filter(
      ({ name }) => name === '_superusers',
    );
    const imported = [{ ...collection, authToken: { duration: 99, secret: 'a'.repeat(50) } }] as never;
    expect((await refused(client.collections.import(imported))).status).toBe(400);
    expect((await client.collections.getOne('_superusers'))['authToken']).toMatchObject({ duration: 86_400 });
    expect(await superusersOf(fathom, ann)).toHaveLength(2);
    expect((await superusersOf(fathom, ann))[0]).toEqual(own);
  });

  it('cannot open users to others, or add accounts there', async () => {
    const client = await developer(fathom, ann);
    const users = client.collection('users');
    for (const change of [
      { createRule: '' },
      { listRule: '' },
      { name: 'people' },
      { oauth2: { enabled: true } },
      { authRule: 'id = ""' },
      { authToken: { secret: 'b'.repeat(50), duration: 60 } },
      { indexes: [] },
    ])
      expect((await refused(client.collections.update('users', change))).status, JSON.stringify(change)).toBe(
        403,
      );
    const other = { email: 'eve@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    expect((await refused(users.create(other))).status).toBe(403);
    expect((await refused(users.delete(ann.userId))).status).toBe(403);
    await refused(client.collections.delete('users'));
    await refused(client.collections.truncate('users'));
    const others = (await client.collections.getFullList()).filter(({ name }) => name !== 'users');
    await refused(client.collections.import(others, true));
    expect(await users.getOne(ann.userId)).toMatchObject({ email: ann.email });
  });

  it('cannot disable limits', async () => {
    const client = await developer(fathom, ann);
    for (const change of [
      { rateLimits: { enabled: false } },
      { rateLimits: { rules: [] } },
      { rateLimits: { excludedIPs: ['0.0.0.0/0'] } },
      { trustedProxy: { headers: ['X-Real-IP'] } },
      { superuserIPs: [] },
      { superuserIPs: ['192.0.2.1'] },
      { logs: { maxDays: 500 } },
      { backups: { cron: '* * * * *' } },
      { backups: { s3: { enabled: true } } },
      { batch: { maxRequests: 100_000 } },
      { meta: { appName: 'x' }, smtp: { password: 'x'.repeat(70_000) } },
    ])
      expect(
        (await refused(client.settings.update(change))).status,
        JSON.stringify(change).slice(0, 80),
      ).toBe(403);
    // The dashboard sends all settings of a page, changed or not.
    await client.settings.update(await client.settings.getAll());
  });

  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback in IPv6', '::1'],
    ['loopback in another notation', '127.1'],
    ['loopback in hexadecimal', '0x7f000001'],
    ['loopback as a number', '2130706433'],
    ['a mapped address', '::ffff:127.0.0.1'],
    ['the metadata of a cloud', '169.254.169.254'],
    ['a private network', '10.1.2.3'],
    ['this host', 'localhost'],
    ['this host with a dot', 'LOCALHOST.'],
    ['a name of this host', 'a.localhost'],
    ['a name without a domain', 'redis'],
  ])('cannot point mail, S3 or providers at %s', async (_what, host) => {
    const client = await developer(fathom, ann);
    const inUrl = host.includes(':') ? `[${host}]` : host;
    const s3 = {
      bucket: 'b',
      region: 'r',
      endpoint: `https://${inUrl}`,
      accessKey: 'k',
      secret: 's',
      enabled: true,
    };
    const provider = {
      name: 'oidc',
      clientId: 'i',
      clientSecret: 's',
      authURL: 'https://id.example.com',
      userInfoURL: 'https://id.example.com/me',
    };
    const members = { name: 'members', type: 'auth' };
    for (const request of [
      () => client.settings.update({ smtp: { enabled: true, host, port: 25 } }),
      () => client.settings.update({ s3: { ...s3, forcePathStyle: true } }),
      () => client.settings.update({ s3: { ...s3, forcePathStyle: false } }),
      () => client.settings.update({ s3: { ...s3, enabled: false } }),
      () =>
        client.collections.create({
          ...members,
          oauth2: { enabled: true, providers: [{ ...provider, tokenURL: `https://${inUrl}/token` }] },
        }),
    ])
      expect(await refused(request())).toMatchObject({ status: 403, message: expect.stringMatching(TARGET) });
    const { smtp, s3: stored } = (await client.settings.getAll()) as {
      smtp: { host: string };
      s3: { endpoint: string };
    };
    expect(smtp.host).not.toBe(host);
    expect(stored.endpoint).not.toContain(inUrl);
  });

  it.each([
    ['a part of an address in the bucket', { bucket: '127.0.0', endpoint: 'https://1' }],
    ['a host in the bucket', { bucket: '127.0.0.1:8090/x?', endpoint: 'https://s3.example.com' }],
    ['a user in the endpoint', { bucket: 'b', endpoint: 'https://s3.example.com@127.0.0.1' }],
    ['a port of another service', { bucket: 'b', endpoint: 'http://s3.example.com:8090' }],
    ['a scheme in capitals', { bucket: 'b', endpoint: 'HTTP://127.0.0.1' }],
  ])('cannot hide a host of S3 with %s', async (_what, s3) => {
    const client = await developer(fathom, ann);
    const settings = { s3: { ...s3, enabled: true, region: 'r', accessKey: 'k', secret: 's' } };
    expect(await refused(client.settings.update(settings))).toMatchObject({
      status: 403,
      message: expect.stringMatching(TARGET),
    });
  });

  it('cannot make, upload, restore or load backups', async () => {
    const client = await developer(fathom, ann);
    const file = new File(['PK'], 'foreign.zip', { type: 'application/zip' });
    for (const request of [
      () => client.backups.create('mine.zip'),
      () => client.backups.upload({ file }),
      () => client.backups.getFullList(),
      () => client.backups.restore('foreign.zip'),
      () => client.backups.delete('foreign.zip'),
      () => client.crons.run('__pbAutoBackup__'),
    ])
      expect((await refused(request())).status).toBe(403);
    const backups = '/api/%62ackups';
    expect((await refused(client.send(backups, { method: 'GET' }))).status).not.toBe(200);
  });

  it('cannot run SQL, or read secrets through views and indexes', async () => {
    const client = await developer(fathom, ann);
    await client.collections.create({
      name: 'posts',
      type: 'base',
      fields: [{ name: 'title', type: 'text' }],
    });
    const run = (query: string) => client.send('/api/sql', { method: 'POST', body: { query } });
    expect([403, 404]).toContain((await refused(run('DELETE FROM _superusers'))).status);
    for (const query of [
      'SELECT id, tokenKey FROM _superusers',
      'SELECT id, options FROM "_COLLECTIONS"',
      'SELECT id, value FROM [_params]',
      'SELECT 1 AS id); DELETE FROM _superusers; SELECT * FROM (SELECT 1 AS id',
      'SELECT name AS id FROM sqlite_master',
      "SELECT name AS id FROM pragma_table_info('users')",
    ]) {
      const dryRun = client.send('/api/collections/meta/dry-run-view', { method: 'POST', body: { query } });
      expect([403, 404], query).toContain((await refused(dryRun)).status);
      const create = client.collections.create({ name: 'secrets', type: 'view', viewQuery: query });
      expect((await refused(create)).status, query).toBe(403);
    }
    for (const index of [
      'CREATE INDEX a ON posts (title) WHERE 1; DELETE FROM _superusers',
      'CREATE INDEX a`ON`_superusers`(email)-- ON posts (title)',
    ])
      expect((await refused(client.collections.update('posts', { indexes: [index] }))).status, index).toBe(
        403,
      );
    const injected = [{ name: 'x` TEXT); DELETE FROM _superusers; --', type: 'text' }];
    const imported = [{ id: 'abc', name: 'posts2', type: 'base', fields: injected }] as never;
    expect((await refused(client.collections.import(imported))).status).toBe(400);
    expect((await refused(client.collections.getOne('posts2'))).status).toBe(404);
    for (const name of ['_fathom_owner', 'json_each', '_logs', 'Users'])
      expect((await refused(client.collections.create({ name, type: 'base' }))).status, name).not.toBe(200);
    expect(await superusersOf(fathom, ann)).toHaveLength(2);
  });
});
