import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { DatabaseSummary } from '../../shared/api/accounts/auth.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { linkIn, type MailServer, mailServer, SMTP_PASSWORD, tokenIn } from '../helpers/mail-server.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const NEW_PASSWORD = 'my own lantern by the river';

const auth = <T>(fathom: Deployment, action: string, body: object) =>
  call<T>('POST', `${fathom.url}/api/v1/auth/${action}`, { body });
const users = ({ globalUrl }: Deployment) => new PocketBase(globalUrl).collection('users');

describe('with a mail server', () => {
  let server: MailServer;
  let fathom: Deployment;
  let daemon: Daemon;

  beforeAll(async () => {
    server = await mailServer();
    fathom = await createDeployment({ ...server.settings, SIGN_UP_MODE: 'verified' });
    daemon = await fathom.start({ PUBLIC_URL: `${fathom.url}/` });
  });

  afterAll(async () => {
    await fathom.dispose();
    await server.close();
  });

  it('a sign-up gets a link that proves its address, and then its database', async () => {
    const { token } = await signUp(fathom.url, 'ann@example.com');
    const mail = await server.mailTo('ann@example.com');
    expect(mail).toMatchObject({ encrypted: true, signedIn: true, recipients: ['ann@example.com'] });
    expect(mail.from).toMatchObject({ name: 'Example Cloud', address: 'noreply@example.com' });
    expect(mail.subject).toContain('Example Cloud');
    const link = linkIn(mail);
    expect(link.href.startsWith(`${fathom.url}/account/verify#`)).toBe(true);

    const page = await fetch(link);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const mine = () =>
      call<DatabaseSummary>('GET', `${fathom.url}/api/v1/me/database`, { token }).then(({ body }) => body);
    expect((await mine()).status).toBe('awaiting_verification');
    expect((await auth(fathom, 'verify', { token: tokenIn(link) })).status).toBe(204);
    await until(async () => (await mine()).status === 'Running', { what: 'the database' });
  });

  it('a sign-up with the SDK gets the same link', async () => {
    await users(fathom).create({
      email: 'bob@example.com',
      password: PASSWORD,
      passwordConfirm: PASSWORD,
    });
    const token = tokenIn(linkIn(await server.mailTo('bob@example.com')));
    expect((await auth(fathom, 'verify', { token })).status).toBe(204);
    expect((await signIn(fathom.url, 'bob@example.com')).database.status).toBe('Running');
  });

  it('sends the link again on request, to every spelling of the address', async () => {
    await signUp(fathom.url, 'Cal@example.com');
    await server.mailTo('Cal@example.com');
    expect((await auth(fathom, 'request-verification', { email: 'cal@EXAMPLE.com' })).status).toBe(204);
    const token = tokenIn(linkIn(await server.mailTo('Cal@example.com')));
    expect((await auth(fathom, 'verify', { token })).status).toBe(204);
  });

  it('an administrator sends a test mail', async () => {
    const sent = await fathomd(['mail', 'test', 'ops@example.com'], { env: fathom.env });
    expect({ exitCode: sent.exitCode, stdout: sent.stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('has taken the mail to ops@example.com') as string,
    });
    expect((await server.mailTo('ops@example.com')).text).toContain('test mail of Fathom');
    const { token } = await signUp(fathom.url, 'tess@example.com');
    const refused = await call('POST', `${fathom.url}/api/v1/mails/test`, {
      token,
      body: { to: 'tess@example.com' },
    });
    expect(refused.status).toBe(403);
  });

  it('an administrator sends the link', async () => {
    await fathom.client.users.add({ email: 'dan@example.com', password: PASSWORD });
    const { exitCode, stdout } = await fathomd(['users', 'verify-mail', 'dan@example.com', '--json'], {
      env: fathom.env,
    });
    expect({ exitCode, ...(JSON.parse(stdout) as object) }).toMatchObject({
      exitCode: 0,
      email: 'dan@example.com',
    });
    const token = tokenIn(linkIn(await server.mailTo('dan@example.com')));
    expect((await auth(fathom, 'verify', { token })).status).toBe(204);
    const again = await fathomd(['users', 'verify-mail', 'dan@example.com'], { env: fathom.env });
    expect(again.exitCode).toBe(1);
  });

  it('a password is reset by a link, once', async () => {
    const { token: session } = await signUp(fathom.url, 'eve@example.com');
    await server.mailTo('eve@example.com');
    expect((await auth(fathom, 'request-password-reset', { email: 'eve@example.com' })).status).toBe(204);
    const link = linkIn(await server.mailTo('eve@example.com'));
    expect(link.pathname).toBe('/account/reset-password');
    const reset = (password: string) => auth(fathom, 'reset-password', { token: tokenIn(link), password });
    expect(await reset('password1')).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path: 'password' }] },
    });
    expect((await reset(NEW_PASSWORD)).status).toBe(204);
    expect(await reset(PASSWORD)).toMatchObject({ status: 400, body: { code: 'link.invalid' } });
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token: session })).status).toBe(401);
    // The link proved the address.
    expect((await signIn(fathom.url, 'eve@example.com', NEW_PASSWORD)).database.status).toBe('Running');
  });

  it('an address is changed by a link and the password', async () => {
    await signUp(fathom.url, 'fay@example.com');
    const client = new PocketBase(fathom.globalUrl);
    await client.collection('users').authWithPassword('fay@example.com', PASSWORD);
    await client.collection('users').requestEmailChange('fay@new.example.com');
    const link = linkIn(await server.mailTo('fay@new.example.com'));
    expect(link.pathname).toBe('/account/change-email');
    const change = (password: string) => auth(fathom, 'change-email', { token: tokenIn(link), password });
    expect(await change('not this one')).toMatchObject({
      status: 400,
      body: { code: 'request.invalid', errors: [{ path: 'password' }] },
    });
    expect((await change(PASSWORD)).status).toBe(204);
    expect((await signIn(fathom.url, 'fay@new.example.com')).user.email).toBe('fay@new.example.com');
  });

  it.each(['x', 'a.b.c', 'e30.e30.e30', 'ü', ' ', '../../records'])(
    'the link %j is refused',
    async (token) => {
      const refused = { status: 400, body: { code: 'link.invalid' } };
      expect(await auth(fathom, 'verify', { token })).toMatchObject(refused);
      expect(await auth(fathom, 'reset-password', { token, password: NEW_PASSWORD })).toMatchObject(refused);
      expect(await auth(fathom, 'change-email', { token, password: PASSWORD })).toMatchObject(refused);
    },
  );

  it('a token of one kind does not serve for another', async () => {
    await signUp(fathom.url, 'gus@example.com');
    const token = tokenIn(linkIn(await server.mailTo('gus@example.com')));
    const reset = await auth(fathom, 'reset-password', { token, password: NEW_PASSWORD });
    expect(reset).toMatchObject({ status: 400, body: { code: 'link.invalid' } });
  });

  it('an address of other letters gets its mail', async () => {
    await signUp(fathom.url, 'jörg@example.com');
    const token = tokenIn(linkIn(await server.mailTo('jörg@example.com')));
    expect((await auth(fathom, 'verify', { token })).status).toBe(204);
  });

  it('the password of the mail server is in no file, environment or response', async () => {
    const files = ['data.db', 'data.db-wal', 'auxiliary.db', 'auxiliary.db-wal'];
    for (const file of files) {
      const bytes = await readFile(join(fathom.dataDir, 'global', 'pb_data', file));
      expect(bytes.includes(SMTP_PASSWORD), file).toBe(false);
    }
    for (const { pid } of await fleetProcesses(fathom.dataDir)) {
      expect(await readFile(`/proc/${pid}/environ`, 'latin1')).not.toContain(SMTP_PASSWORD);
    }
    expect(daemon.output()).not.toContain(SMTP_PASSWORD);
    expect(JSON.stringify(await fathom.client.daemon.status())).not.toContain(SMTP_PASSWORD);
    const settings = await (await controlPlane(fathom)).settings.getAll();
    expect(JSON.stringify(settings)).not.toContain(SMTP_PASSWORD);
  });

  it('has no pages that other sites can show or that load from elsewhere', async () => {
    for (const name of ['verify', 'reset-password', 'change-email', 'invitation']) {
      const page = await fetch(`${fathom.url}/account/${name}`);
      expect(page.headers.get('content-security-policy')).toEqual(
        textWith("frame-ancestors 'none'", "script-src 'self'", "form-action 'none'"),
      );
      expect(page.headers.get('referrer-policy')).toBe('no-referrer');
      const html = await page.text();
      expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    }
  });
});

it('a reload applies a mail server', async () => {
  const server = await mailServer();
  onTestFinished(() => server.close());
  const { NODE_EXTRA_CA_CERTS = '', ...settings } = server.settings;
  const fathom = await deployment({ NODE_EXTRA_CA_CERTS });
  const daemon = await fathom.start();
  await fathom.client.users.add({ email: 'ann@example.com', password: PASSWORD });
  const send = () => fathomd(['users', 'verify-mail', 'ann@example.com'], { env: fathom.env });
  expect(await send()).toMatchObject({ exitCode: 69, stderr: textWith('SMTP_HOST') });
  const lines = Object.entries({ ...settings, PUBLIC_URL: fathom.url }).map(
    ([name, value]) => `${name}='${value}'`,
  );
  await writeFile(join(fathom.dataDir, '.env'), lines.join('\n'), { mode: 0o600 });
  daemon.signal('SIGHUP');
  await until(async () => (await send()).exitCode === 0, { what: () => `a mail:\n${daemon.output()}` });
  expect(linkIn(await server.mailTo('ann@example.com')).href).toContain(`${fathom.url}/account/verify#`);
});

it('without SMTP_HOST and PUBLIC_URL, the settings of the dashboard stay', async () => {
  const server = await mailServer({ authOptional: true, disabledCommands: ['STARTTLS'] });
  onTestFinished(() => server.close());
  const fathom = await deployment();
  const daemon = await fathom.start();
  const meta = {
    appName: 'Own name',
    appURL: 'https://own.example.com',
    senderName: 'Own sender',
    senderAddress: 'own@example.com',
  };
  const smtp = { enabled: true, host: '127.0.0.1', port: server.port, tls: false };
  await (await controlPlane(fathom)).settings.update({ meta, smtp });
  await daemon.stop();
  const second = await fathom.start();
  const settings = await (await controlPlane(fathom)).settings.getAll();
  expect(settings).toMatchObject({ meta, smtp });
  await signUp(fathom.url, 'ann@example.com');
  await users(fathom).requestVerification('ann@example.com');
  const mail = await server.mailTo('ann@example.com');
  expect(mail.from).toMatchObject({ name: 'Own sender', address: 'own@example.com' });
  expect(linkIn(mail).href.startsWith('https://own.example.com/_/#/auth/confirm-verification/')).toBe(true);

  // A daemon that does not answer does not lift the limit for strangers.
  second.signal('SIGSTOP');
  await users(fathom).requestPasswordReset('ann@example.com');
  second.signal('SIGCONT');
  await users(fathom).requestPasswordReset('ann@example.com');
  await server.mailTo('ann@example.com');
  expect(server.mails).toHaveLength(2);
});
