import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer, tokenIn } from '../helpers/mail-server.ts';
import { textWith } from '../helpers/text-with.ts';

const NEW_PASSWORD = 'my own lantern by the river';

describe('the own account', () => {
  let server: MailServer;
  let fathom: Deployment;
  let daemon: Daemon;

  beforeAll(async () => {
    server = await mailServer();
    fathom = await createDeployment({ ...server.settings, DATABASE_TRASH_DAYS: '30' });
    daemon = await fathom.start({ PUBLIC_URL: fathom.url });
  });

  afterAll(async () => {
    await fathom.dispose();
    await server.close();
  });

  const change = (action: string, token: string, body: object) =>
    call('POST', `${fathom.url}/api/v1/me/${action}`, { token, body });

  const undelete = (body: object) => call('POST', `${fathom.url}/api/v1/auth/undelete`, { body });

  const ACTIONS = [
    ['password', { password: NEW_PASSWORD }],
    ['email', { new_email: 'other@new.example.com' }],
    ['delete', { email: 'all@example.com' }],
  ] as const;

  it.each(ACTIONS)('is not changed (%s) without its password, or with a key', async (action, body) => {
    const email = `${action}@example.com`;
    const { token } = await signUp(fathom.url, email);
    const wrong = await change(action, token, { ...body, current_password: 'not this one' });
    expect(wrong).toMatchObject({ status: 400, body: { errors: [{ path: 'current_password' }] } });
    const { body: made } = await call<{ key: string }>('POST', `${fathom.url}/api/v1/api-keys`, {
      token,
      body: { name: 'x' },
    });
    const byKey = await change(action, made.key, { ...body, current_password: PASSWORD });
    expect(byKey).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await signIn(fathom.url, email);
  });

  it('counts wrong passwords as failed sign-ins', async () => {
    const { token } = await signUp(fathom.url, 'guess@example.com');
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      const body = { current_password: `guess ${attempt}`, password: NEW_PASSWORD };
      statuses.push((await change('password', token, body)).status);
    }
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 400));
    expect(statuses.slice(10)).toEqual([429, 429]);
  });

  it('gets a new password, which ends sessions and tokens, and refuses a weak one', async () => {
    const session = await signUp(fathom.url, 'ann@example.com');
    const weak = { current_password: PASSWORD, password: 'password1' };
    expect(await change('password', session.token, weak)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'password' }] },
    });
    const body = { current_password: PASSWORD, password: NEW_PASSWORD };
    expect((await change('password', session.token, body)).status).toBe(204);
    expect((await call('GET', `${fathom.url}/api/v1/me`, session)).status).toBe(401);
    expect(await refreshStatus(session.database.url, session.database.token)).toBe(401);
    await signIn(fathom.url, 'ann@example.com', NEW_PASSWORD);
  });

  it('gets a new address by the link of a mail', async () => {
    const { token } = await signUp(fathom.url, 'bob@example.com');
    const body = { current_password: PASSWORD };
    for (const refused of ['not an address', 'bo\u200Bb@new.example.com', 'bob@bücher.example'])
      expect(await change('email', token, { ...body, new_email: refused }), refused).toMatchObject({
        status: 400,
        body: { errors: [{ path: 'new_email' }] },
      });
    expect((await change('email', token, { ...body, new_email: 'bob@new.example.com' })).status).toBe(204);
    const link = linkIn(await server.mailTo('bob@new.example.com'));
    expect(link.pathname).toBe('/account/change-email');
    const confirmed = { token: tokenIn(link), password: PASSWORD };
    expect((await call('POST', `${fathom.url}/api/v1/auth/change-email`, { body: confirmed })).status).toBe(
      204,
    );
    await signIn(fathom.url, 'bob@new.example.com');
  });

  it('is deleted with its database, and its owner brings it back', async () => {
    const { token, database }: Session = await signUp(fathom.url, 'cal@example.com');
    const body = { current_password: PASSWORD, email: 'bob@example.com' };
    expect(await change('delete', token, body)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'email' }] },
    });
    expect((await change('delete', token, { ...body, email: 'CAL@example.com ' })).status).toBe(204);
    expect((await call('GET', `${fathom.url}/api/v1/me`, { token })).status).toBe(401);
    const login = { email: 'cal@example.com', password: PASSWORD };
    expect(await call('POST', `${fathom.url}/api/v1/auth/login`, { body: login })).toMatchObject({
      status: 403,
      body: { code: 'database.deleted', errors: [{ code: 'deleted_by_owner' }] },
    });
    expect(await undelete({ ...login, password: 'not this one' })).toMatchObject({
      status: 401,
      body: { code: 'auth.failed' },
    });
    const both = await Promise.all([undelete({ ...login, email: 'CAL@example.com' }), undelete(login)]);
    expect(both.map(({ status }) => status)).toEqual(expect.arrayContaining([204, 409]));
    const again = await signIn(fathom.url, 'cal@example.com');
    expect(again.database).toMatchObject({ name: database.name, port: database.port });
    expect(await undelete(login)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const { items } = await fathom.client.audit.list({ action: 'account.undelete' });
    expect(items.map(({ target, outcome }) => [target.toLowerCase(), outcome])).toEqual(
      expect.arrayContaining([
        ['cal@example.com', 'ok'],
        ['cal@example.com', 'refused'],
      ]),
    );
  });

  it('that an administrator deleted, also after its owner, only an administrator brings back', async () => {
    const dan = await signUp(fathom.url, 'dan@example.com');
    const eve = await signUp(fathom.url, 'eve@example.com');
    await fathom.client.users.delete(dan.user.id);
    await change('delete', eve.token, { current_password: PASSWORD, email: 'eve@example.com' });
    await fathom.client.users.delete(eve.user.id);
    for (const { user, database } of [dan, eve]) {
      const refused = await undelete({ email: user.email, password: PASSWORD });
      expect(refused).toMatchObject({ status: 403, body: { code: 'database.deleted' } });
      expect(refused.body).not.toHaveProperty('errors');
      await fathom.client.trash.undelete(database.name);
      await signIn(fathom.url, user.email);
    }
  });

  it('is brought back after a restart of the daemon, and can be deleted again', async () => {
    const credentials = { email: 'flo@example.com', password: PASSWORD };
    const { token, database } = await signUp(fathom.url, credentials.email);
    const deletion = { email: credentials.email, current_password: PASSWORD };
    await change('delete', token, deletion);
    await daemon.stop();
    daemon = await fathom.start({ PUBLIC_URL: fathom.url });
    expect((await undelete(credentials)).status).toBe(204);
    const again = await signIn(fathom.url, credentials.email);
    expect(again.database.name).toBe(database.name);
    expect((await change('delete', again.token, deletion)).status).toBe(204);
    expect((await undelete(credentials)).status).toBe(204);
  });

  it('of an administrator is not deleted', async () => {
    const { email, password } = fathom.admin;
    const { token } = await signIn(fathom.url, email, password);
    expect((await change('delete', token, { current_password: password, email })).status).toBe(409);
  });
});

it('says that no mail server is configured, or that it refused the mail', async () => {
  await using closing = new AsyncDisposableStack();
  const fathom = await createDeployment();
  closing.defer(() => fathom.dispose());
  const body = { current_password: PASSWORD, new_email: 'bob@new.example.com' };
  const ask = (token: string) => call('POST', `${fathom.url}/api/v1/me/email`, { token, body });
  const daemon = await fathom.start();
  const { token } = await signUp(fathom.url, 'bob@example.com');
  expect(await ask(token)).toMatchObject({
    status: 502,
    body: { code: 'mail.failed', detail: textWith('no mail server', 'ask an administrator') },
  });
  await daemon.stop();

  const server = await mailServer();
  const { settings } = server;
  // Nothing listens at its port any more.
  await server.close();
  await fathom.start({ ...settings, PUBLIC_URL: fathom.url });
  const { token: later } = await signIn(fathom.url, 'bob@example.com');
  expect(await ask(later)).toMatchObject({
    status: 502,
    body: { code: 'mail.failed', detail: textWith('the mail server did not take the mail') },
  });
});
