import type { ClientResponseError, CollectionModel } from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { clientOf, developer, refused, rowOf, setAccess, sql, superusersOf } from '../helpers/developer.ts';
import {
  instance,
  PASSWORD,
  signUp,
  type Tenant,
  untilInstance,
  untilReplaced,
  untilRunning,
} from '../helpers/fleet-actions.ts';
import { call } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
let daemon: Daemon;
let ann: Tenant;
let ben: Tenant;

beforeAll(async () => {
  fathom = await createDeployment();
  daemon = await fathom.start();
  [ann, ben] = [await signUp(fathom, 'ann'), await signUp(fathom, 'ben')];
  await setAccess(fathom, ann, 'developer');
});

afterAll(() => fathom.dispose());

async function changePassword(token: string, current_password: string, password: string): Promise<void> {
  const { status } = await call('POST', `${fathom.url}/api/v1/me/password`, {
    token,
    body: { current_password, password },
  });
  if (status !== 204) throw new Error(`the password was not changed: ${status}`);
}

describe('the owner of a developer database', () => {
  it('is a superuser with the password of the account, in the own database only', async () => {
    expect(await instance(fathom, ann.name)).toMatchObject({ access: 'developer', phase: 'running' });
    const client = await developer(fathom, ann);
    expect((await client.collections.getFullList()).map(({ name }) => name)).toContain('documents');
    expect(await client.settings.getAll()).toHaveProperty('smtp');
    expect((await refused(developer(fathom, ben))).status).toBe(400);
    const foreign = await clientOf(fathom, ben);
    foreign.authStore.save(client.authStore.token);
    expect((await refused(foreign.settings.getAll())).status).toBe(401);
  });

  it('changes collections, and the settings that Fathom does not manage', async () => {
    const client = await developer(fathom, ann);
    const fields = [{ name: 'title', type: 'text' }];
    const indexes = ["CREATE INDEX `idx_posts` ON `posts` (`title`) WHERE `title` != ''"];
    await client.collections.create({ name: 'posts', type: 'base', fields, indexes });
    await client.collections.update('posts', { fields: [...fields, { name: 'text', type: 'editor' }] });
    await client.collections.create({
      name: 'titles',
      type: 'view',
      viewQuery: 'SELECT id, title FROM posts',
    });
    await client.collections.update('users', {
      fields: [...(await client.collections.getOne('users')).fields, { name: 'city', type: 'text' }],
    });
    await client.settings.update({
      meta: { appName: 'Shop' },
      batch: { enabled: true },
      smtp: { enabled: true, host: 'smtp.example.com', port: 587 },
      s3: {
        enabled: true,
        bucket: 'shop',
        region: 'eu',
        endpoint: 'https://s3.example.com',
        accessKey: 'key',
        secret: 'secret',
      },
    });
    expect(await client.settings.getAll()).toMatchObject({
      meta: { appName: 'Shop' },
      smtp: { host: 'smtp.example.com' },
      s3: { enabled: true },
    });
    await client.settings.update({ s3: { enabled: false }, smtp: { enabled: false } });
    const all = await client.collections.getFullList();
    await client.collections.import(all);
  });

  it('sees why an import is refused, with the collection and the field, and nothing was imported', async () => {
    const client = await developer(fathom, ann);
    const all = await client.collections.getFullList();
    const users = all.find(({ name }) => name === 'users');
    const base = { name: 'imported', type: 'base' };
    for (const [collections, deletesOthers, ...parts] of [
      [[base, { ...users, listRule: '' }], false, '"users"', 'except its fields'],
      [all.filter(({ name }) => name !== 'users'), true, 'collection users', 'must contain it'],
      [[base, { name: '_x', type: 'base' }], false, '"_x"', 'Choose another one'],
      [[{ ...base, listRule: 'missing = 1' }], false, '"imported"', 'listRule: ', '"missing"'],
      [
        [{ ...base, fields: [{ name: 'to', type: 'relation', collectionId: 'missing' }] }],
        false,
        '"imported"',
        'fields.1.collectionId: ',
      ],
      [[{ ...base, fields: [{ name: 'a', type: 'missing' }] }], false, 'unknown field type'],
    ] as [CollectionModel[], boolean, ...string[]][])
      expect(await refused(client.collections.import(collections, deletesOthers))).toEqual({
        status: 400,
        message: textWith('Nothing was imported: ', ...parts),
      });
    expect((await refused(client.collections.getOne('imported'))).status).toBe(404);
    expect(await client.collections.getFullList()).toHaveLength(all.length);
  });

  it('keeps the password of the account when it changes, and its tokens end', async () => {
    const client = await developer(fathom, ann);
    const before = await instance(fathom, ann.name);
    const password = 'four-quiet-green-lamps';
    await changePassword(ann.token, PASSWORD, password);
    await untilReplaced(fathom, before);
    expect((await refused(client.settings.getAll())).status).toBe(401);
    expect((await refused(developer(fathom, ann))).status).toBe(400);
    await developer(fathom, ann, password);
    const again = await instance(fathom, ann.name);
    const { token } = await fathom.client.auth.login({ email: ann.email, password });
    await changePassword(token, password, PASSWORD);
    await untilReplaced(fathom, again);
    await developer(fathom, ann);
  });

  it('cannot sign in while the account is locked', async () => {
    const client = await developer(fathom, ann);
    const before = await instance(fathom, ann.name);
    await fathom.client.users.update(ann.userId, { is_active: false });
    await untilReplaced(fathom, before);
    expect((await refused(client.settings.getAll())).status).toBe(401);
    expect((await refused(developer(fathom, ann))).status).toBe(400);
    const locked = await instance(fathom, ann.name);
    await fathom.client.users.update(ann.userId, { is_active: true });
    await untilReplaced(fathom, locked);
    await developer(fathom, ann);
  });
});

describe('each start', () => {
  it("restores Fathom's superuser, its settings, and turns off what leads to this host", async () => {
    const settings = await (await developer(fathom, ann)).settings.getAll();
    await fathom.client.databases.stop(ann.name);
    const tampered = {
      ...settings,
      superuserIPs: [],
      rateLimits: { ...settings['rateLimits'], enabled: false },
      smtp: { ...settings['smtp'], enabled: true, host: 'localhost', port: 25 },
      s3: { ...settings['s3'], enabled: true, endpoint: 'https://127.0.0.1:443', bucket: 'b' },
    };
    await sql(fathom, ann, (database) => {
      database.exec(`DELETE FROM _superusers;
        INSERT INTO _superusers (id, email, password, tokenKey, verified)
        VALUES ('mallorysuperusr', 'mallory@example.com', '!', 'key-of-mallory', 1)`);
      database.prepare("UPDATE _params SET value = ? WHERE id = 'settings'").run(JSON.stringify(tampered));
    });
    await fathom.client.databases.start(ann.name);
    expect((await superusersOf(fathom, ann)).map(({ email }) => email)).toEqual([
      ann.email,
      'fathom@localhost.internal',
    ]);
    const client = await developer(fathom, ann);
    const { superuserIPs, rateLimits, smtp, s3 } = await client.settings.getAll();
    expect({ superuserIPs, rateLimits }).toEqual({
      superuserIPs: settings['superuserIPs'],
      rateLimits: settings['rateLimits'],
    });
    expect([smtp.enabled, s3.enabled]).toEqual([false, false]);
    const fathoms = await asSuperuser(fathom, await rowOf(fathom, ann));
    expect((await fathoms.collections.getFullList()).length).toBeGreaterThan(0);
    // What is off, but leads to this host, can be replaced.
    await client.settings.update({ smtp: { host: '' }, s3: { endpoint: '', bucket: '' } });
  });
});

describe('the disk limit', () => {
  it('holds for a developer', async () => {
    const client = await developer(fathom, ann);
    await client.collections.create({
      name: 'files',
      type: 'base',
      fields: [{ name: 'text', type: 'text', max: 5_000_000 }],
    });
    await fathom.client.databases.update(ann.name, { disk_mb: 20 });
    const text = 'x'.repeat(4_000_000);
    let last = { status: 0, message: '' };
    for (let count = 0; count < 60 && last.status !== 507; count += 1) {
      last = await client
        .collection('files')
        .create({ text })
        .then(
          () => ({ status: 200, message: '' }),
          (error: ClientResponseError) => ({ status: error.status, message: error.message }),
        );
    }
    expect(last).toMatchObject({ status: 507, message: expect.stringContaining('disk limit') });
    const index = 'CREATE INDEX large ON files (text)';
    const { status } = await refused(client.collections.update('files', { indexes: [index] }));
    expect(status).toBe(507);
    expect((await refused(client.collections.create({ name: 'more', type: 'base' }))).status).toBe(507);
    await client.collections.delete('files');
    await fathom.client.databases.update(ann.name, { disk_mb: null });
    // A restart ends the refusals.
    await untilInstance(
      fathom,
      ann.name,
      ({ phase, reason }) => phase === 'running' && reason === null,
      'to accept writes',
    );
  });
});

describe('access app', () => {
  it('removes the superuser of the owner, and its tokens end', async () => {
    const client = await developer(fathom, ann);
    expect(await setAccess(fathom, ann, 'app')).toMatchObject({ access: 'app', phase: 'running' });
    expect((await refused(client.settings.getAll())).status).toBe(401);
    expect((await refused(developer(fathom, ann))).status).toBe(400);
    expect((await superusersOf(fathom, ann)).map(({ email }) => email)).toEqual([
      'fathom@localhost.internal',
    ]);
    const settings = await (await asSuperuser(fathom, await rowOf(fathom, ann))).settings.getAll();
    expect(settings['superuserIPs']).toEqual(['127.0.0.1', '::1']);
    await setAccess(fathom, ann, 'developer');
    expect((await refused(client.settings.getAll())).status).toBe(401);
    await developer(fathom, ann);
  });

  it('changes while the database is stopped, asleep, or the daemon does not run', async () => {
    await fathom.client.databases.stop(ben.name);
    expect(await setAccess(fathom, ben, 'developer')).toMatchObject({
      access: 'developer',
      phase: 'stopped',
    });
    await fathom.client.databases.start(ben.name);
    await developer(fathom, ben);
    await until(
      () =>
        fathom.client.databases.sleep(ben.name, { force: true }).then(
          () => true,
          () => false,
        ),
      { what: () => `${ben.name} to sleep` },
    );
    expect(await setAccess(fathom, ben, 'app')).toMatchObject({ access: 'app', phase: 'asleep' });
    expect((await refused(developer(fathom, ben))).status).toBe(400);
    await daemon.stop();
    daemon = await fathom.start({ OWNER_ACCESS: 'developer' });
    expect(await setAccess(fathom, ben, 'default')).toMatchObject({ access: 'developer' });
    await untilRunning(fathom, ben.name);
    await developer(fathom, ben);
    const eve = await signUp(fathom, 'eve');
    await developer(fathom, eve);
    await daemon.stop();
    daemon = await fathom.start();
    await untilInstance(
      fathom,
      eve.name,
      ({ access, phase }) => access === 'app' && phase === 'running',
      'to be an app',
    );
    await until(async () => (await superusersOf(fathom, eve)).length === 1, {
      what: () => 'no superuser of the owner',
    });
    expect((await refused(developer(fathom, eve))).status).toBe(400);
  });

  it('is changed by administrators only, with an entry in the audit log', async () => {
    const change = (token: string, body: unknown) =>
      call('PATCH', `${fathom.url}/api/v1/databases/${ann.name}`, { token, body });
    const { token } = await fathom.client.auth.login({ email: ann.email, password: PASSWORD });
    expect((await change(token, { access: 'developer' })).status).toBe(403);
    const admin = await fathom.client.auth.login(fathom.admin);
    for (const access of ['', 'root', 1, null, ['app'], 'ＡＰＰ'])
      expect((await change(admin.token, { access })).status, String(access)).toBe(400);
    const audit = await call<{ items: { detail: string }[] }>(
      'GET',
      `${fathom.url}/api/v1/audit?action=database.update`,
      { token: admin.token },
    );
    expect(audit.body.items.map(({ detail }) => detail)).toContainEqual(
      expect.stringContaining('"access":"developer"'),
    );
  });
});
