import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PASSWORD, signIn, signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { superuserToken } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';
import { putMigration } from '../helpers/user-migrations.ts';

// Every line of docs/user-databases.md that says that something works, is off, or can be switched on.

const shared = sharedDeployment();

interface Answer {
  status: number;
  body: string;
}

/** Asks the user's own PocketBase. */
async function ask(
  port: number,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown } = {},
): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: token }),
      ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.text() };
}

async function portOf(name: string): Promise<number> {
  const { port } = await shared.fathom.client.databases.get(name);
  if (port === null) throw new Error(`${name} has no port`);
  return port;
}

async function settingsOf(tenant: Tenant): Promise<Record<string, Record<string, unknown>>> {
  const row = (await databaseRows(shared.fathom)).find(({ name }) => name === tenant.name);
  if (row === undefined) throw new Error(`no row of ${tenant.name}`);
  const token = await superuserToken(shared.fathom, row);
  return JSON.parse((await ask(await portOf(tenant.name), 'GET', '/api/settings', { token })).body);
}

describe('a user database as it is made', () => {
  it('signs the owner in by password only, and allows no sign-up', async () => {
    const tenant = await signUp(shared.fathom, 'plain');
    const port = await portOf(tenant.name);
    const users = '/api/collections/users';
    const signedIn = await ask(port, 'POST', `${users}/auth-with-password`, {
      body: { identity: tenant.email, password: PASSWORD },
    });
    expect(signedIn.status).toBe(200);
    const token = tenant.ownerToken;
    expect((await ask(port, 'POST', `${users}/auth-refresh`, { token })).status).toBe(200);
    const methods = JSON.parse((await ask(port, 'GET', `${users}/auth-methods`)).body);
    expect(methods).toMatchObject({
      password: { enabled: true, identityFields: ['email'] },
      oauth2: { enabled: false },
      otp: { enabled: false },
      mfa: { enabled: false },
    });
    const stranger = { email: 'x@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    expect((await ask(port, 'POST', `${users}/records`, { body: stranger })).status).toBe(403);
    expect((await ask(port, 'POST', `${users}/request-otp`, { body: { email: tenant.email } })).status).toBe(
      403,
    );
    const change = { token, body: { newEmail: 'new@example.com' } };
    expect((await ask(port, 'POST', `${users}/request-email-change`, change)).status).toBe(400);
    const record = `${users}/records/${tenant.userId}`;
    expect((await ask(port, 'PATCH', record, { token, body: { name: 'New' } })).status).toBe(200);
    const password = {
      oldPassword: PASSWORD,
      password: 'another-password',
      passwordConfirm: 'another-password',
    };
    expect((await ask(port, 'PATCH', record, { token, body: password })).status).toBe(404);
  });

  it('keeps records and files for the owner, and publishes changes', async () => {
    const tenant = await signUp(shared.fathom, 'files');
    const port = await portOf(tenant.name);
    const token = tenant.ownerToken;
    const records = '/api/collections/documents/records';
    const form = new FormData();
    form.set('title', 'with a file');
    form.set('files', new Blob(['hello']), 'a.txt');
    const made = JSON.parse((await ask(port, 'POST', records, { token, body: form })).body);
    const file = `/api/files/documents/${made.id}/${made.files[0]}`;
    expect((await ask(port, 'GET', file)).status).toBe(404);
    const access = JSON.parse((await ask(port, 'POST', '/api/files/token', { token })).body);
    expect((await ask(port, 'GET', `${file}?token=${access.token}`)).body).toBe('hello');
    // Rules hide what is not the caller's.
    expect(JSON.parse((await ask(port, 'GET', records)).body)).toMatchObject({ totalItems: 0 });
    const realtime = await fetch(`http://127.0.0.1:${port}/api/realtime`);
    const reader = realtime.body?.getReader();
    const first = new TextDecoder().decode((await reader?.read())?.value);
    await reader?.cancel();
    expect(first).toContain('PB_CONNECT');
    const health = await fetch(`http://127.0.0.1:${port}/api/health`, {
      headers: { origin: 'https://app.example' },
    });
    expect(health.status).toBe(200);
    expect(health.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('leaves to superusers what changes the database, and has none with a password', async () => {
    const tenant = await signUp(shared.fathom, 'closed');
    const port = await portOf(tenant.name);
    const token = tenant.ownerToken;
    for (const path of ['logs', 'backups', 'settings', 'crons', 'collections']) {
      expect((await ask(port, 'GET', `/api/${path}`, { token })).status).toBe(403);
    }
    const collections = { token, body: { collections: [] } };
    expect((await ask(port, 'PUT', '/api/collections/import', collections)).status).toBe(403);
    const impersonation = `/api/collections/users/impersonate/${tenant.userId}`;
    expect((await ask(port, 'POST', impersonation, { token, body: {} })).status).toBe(403);
    const batch = { token, body: { requests: [] } };
    expect((await ask(port, 'POST', '/api/batch', batch)).status).toBe(403);
    // Its dashboard is there, and no user can sign in to it.
    expect((await ask(port, 'GET', '/_/')).status).toBe(200);
    expect((await ask(port, 'GET', '/')).status).toBe(404);
    expect(await settingsOf(tenant)).toMatchObject({
      smtp: { enabled: false },
      s3: { enabled: false },
      backups: { cron: '' },
      batch: { enabled: false },
      rateLimits: { enabled: true },
      logs: { maxDays: 5, minLevel: 4 },
    });
    const { pid } = await shared.fathom.client.databases.get(tenant.name);
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    for (const option of ['--hooksDir', '--publicDir']) {
      expect(command.find((one) => one.startsWith(option))).toMatch(/\/none$/);
    }
  });
});

function portOfServer(address: unknown): number {
  return (address as AddressInfo).port;
}

describe('what a migration switches on', () => {
  it('reaches a database that is there: the example of the page', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom, 'example');
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'user-databases.md'), 'utf8');
    const [, example = ''] = /```js\n(.*?)```/s.exec(page) ?? [];
    await putMigration(fathom, '1790000000_example.js', example);
    await fathom.client.databases.restart(tenant.name);
    expect((await fathom.client.migrations.status()).problem).toBeNull();
    const expected = { batch: { enabled: true }, smtp: { enabled: true, host: 'mail.example.com' } };
    expect(await settingsOf(tenant)).toMatchObject(expected);
    expect(await settingsOf(await signUp(fathom, 'later'))).toMatchObject(expected);
  });

  it('is there after the next start: batch, mail, files in S3, backups, further accounts', async () => {
    const { fathom } = shared;
    const mails: string[] = [];
    const smtp = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData(stream, _, done) {
        let text = '';
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
        stream.on('end', () => {
          mails.push(text);
          done();
        });
      },
    });
    await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => smtp.close(resolve)));
    const bucket: string[] = [];
    const s3 = createServer((request, response) => {
      bucket.push(`${request.method} ${request.url}`);
      request.resume();
      response.writeHead(200, { etag: '"1"' }).end();
    });
    await new Promise<void>((resolve) => s3.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => s3.close(() => resolve())));

    const tenant = await signUp(fathom, 'switched');
    await putMigration(
      fathom,
      '1800000000_settings.js',
      `migrate((app) => {
        const settings = app.settings();
        settings.batch.enabled = true;
        settings.smtp.enabled = true;
        settings.smtp.host = '127.0.0.1';
        settings.smtp.port = ${portOfServer(smtp.server.address())};
        settings.meta.senderAddress = 'app@example.com';
        settings.backups.cron = '0 3 * * *';
        settings.logs.maxDays = 2;
        settings.rateLimits.rules = [{ label: '/api/batch', maxRequests: 3, duration: 1 }];
        settings.s3.enabled = true;
        settings.s3.endpoint = 'http://127.0.0.1:${portOfServer(s3.address())}';
        settings.s3.bucket = 'files';
        settings.s3.region = 'local';
        settings.s3.accessKey = 'key';
        settings.s3.secret = 'secret';
        settings.s3.forcePathStyle = true;
        app.save(settings);
        app.save(new Collection({ type: 'auth', name: 'members', createRule: '', otp: { enabled: true } }));
        app.save(
          new Collection({
            type: 'auth',
            name: 'guests',
            otp: { enabled: true },
            mfa: { enabled: true },
            oauth2: { enabled: true, providers: [{ name: 'github', clientId: 'id', clientSecret: 'secret' }] },
          }),
        );
        const superuser = new Record(app.findCollectionByNameOrId('_superusers'));
        superuser.set('email', 'root@example.com');
        superuser.set('password', 'a-good-password');
        app.save(superuser);
      });`,
    );
    await fathom.client.databases.restart(tenant.name);
    expect(await fathom.client.databases.get(tenant.name)).toMatchObject({ phase: 'running', reason: null });
    const port = await portOf(tenant.name);
    const token = (await signIn(fathom, tenant)).database?.token ?? '';

    const settings = await settingsOf(tenant);
    expect(settings).toMatchObject({ backups: { cron: '0 3 * * *' }, logs: { maxDays: 2 } });
    // Fathom's rules of these stay.
    expect(JSON.stringify(settings['rateLimits'])).not.toContain('/api/batch');
    expect(settings['rateLimits']).toMatchObject({ enabled: true });
    const create = {
      method: 'POST',
      url: '/api/collections/documents/records',
      body: { title: 'in a batch' },
    };
    expect((await ask(port, 'POST', '/api/batch', { token, body: { requests: [create] } })).status).toBe(200);
    const form = new FormData();
    form.set('files', new Blob(['hello']), 'a.txt');
    await ask(port, 'POST', '/api/collections/documents/records', { token, body: form });
    expect(bucket.find((request) => request.startsWith('PUT /files/'))).toBeDefined();

    const members = '/api/collections/members';
    const member = { email: 'member@example.com', password: PASSWORD, passwordConfirm: PASSWORD };
    expect((await ask(port, 'POST', `${members}/records`, { body: member })).status).toBe(200);
    expect(
      (await ask(port, 'POST', `${members}/request-otp`, { body: { email: member.email } })).status,
    ).toBe(200);
    await until(() => mails.some((mail) => mail.includes('member@example.com')), { what: 'the mail' });
    const signedIn = { identity: member.email, password: PASSWORD };
    const { token: own } = JSON.parse(
      (await ask(port, 'POST', `${members}/auth-with-password`, { body: signedIn })).body,
    );
    // Another user sees no record of the owner.
    const seen = await ask(port, 'GET', '/api/collections/documents/records', { token: own });
    expect(JSON.parse(seen.body)).toMatchObject({ totalItems: 0 });
    expect(JSON.parse((await ask(port, 'GET', '/api/collections/guests/auth-methods')).body)).toMatchObject({
      mfa: { enabled: true },
      oauth2: { enabled: true, providers: [{ name: 'github' }] },
    });
    const root = { identity: 'root@example.com', password: 'a-good-password' };
    const superuser = await ask(port, 'POST', '/api/collections/_superusers/auth-with-password', {
      body: root,
    });
    expect(superuser.status).toBe(400);

    // A password that is reset here is the account's again after the next start.
    const users = '/api/collections/users';
    const reset = { body: { email: tenant.email } };
    expect((await ask(port, 'POST', `${users}/request-password-reset`, reset)).status).toBe(204);
    const mail = await until(() => mails.find((one) => one.includes(tenant.email)), {
      what: 'a mail',
    });
    const [, confirmation = ''] = /confirm-password-reset\/([\w.-]+)/.exec(mail.replace(/=\r\n/g, '')) ?? [];
    const password = 'set-in-the-database';
    const confirmed = { body: { token: confirmation, password, passwordConfirm: password } };
    expect((await ask(port, 'POST', `${users}/confirm-password-reset`, confirmed)).status).toBe(204);
    const identity = tenant.email;
    const signInHere = async (secret: string) =>
      (
        await ask(await portOf(tenant.name), 'POST', `${users}/auth-with-password`, {
          body: { identity, password: secret },
        })
      ).status;
    expect(await signInHere(password)).toBe(200);
    await fathom.client.databases.restart(tenant.name);
    expect(await signInHere(password)).toBe(400);
    expect(await signInHere(PASSWORD)).toBe(200);
  });
});
