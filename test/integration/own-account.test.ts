import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { call, PASSWORD, refreshStatus, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer, tokenIn } from '../helpers/mail-server.ts';

const NEW_PASSWORD = 'my own lantern by the river';

describe('the own account', () => {
  let server: MailServer;
  let fathom: Deployment;

  beforeAll(async () => {
    server = await mailServer();
    fathom = await createDeployment({ ...server.settings, DATABASE_TRASH_DAYS: '30' });
    await fathom.start({ PUBLIC_URL: fathom.url });
  });

  afterAll(async () => {
    await fathom.dispose();
    await server.close();
  });

  const change = (action: string, token: string, body: object) =>
    call('POST', `${fathom.url}/api/v1/me/${action}`, { token, body });

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

  it('is deleted with its database, and an administrator brings it back', async () => {
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
      body: { code: 'database.deleted' },
    });
    await fathom.client.trash.undelete(database.name);
    await signIn(fathom.url, 'cal@example.com');
  });

  it('of an administrator is not deleted', async () => {
    const { email, password } = fathom.admin;
    const { token } = await signIn(fathom.url, email, password);
    expect((await change('delete', token, { current_password: password, email })).status).toBe(409);
  });
});
