import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { CreatedInvitation } from '../../shared/api/accounts/invitations.ts';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer, tokenIn } from '../helpers/mail-server.ts';
import { LIAR, openIdProvider, signInWithCode } from '../helpers/openid-provider.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** A sign-up at Fathom's API. */
const atApi = (fathom: Deployment, email: string, invitation?: unknown, password = PASSWORD) =>
  call<Session & Problem>('POST', `${fathom.url}/api/v1/auth/register`, {
    body: { email, password, ...(invitation === undefined ? {} : { invitation }) },
  });

/** A sign-up at the global PocketBase, as its SDK sends it. */
const atGlobal = (fathom: Deployment, email: string, invitation?: unknown) =>
  call<{ id: string; verified: boolean; data: Record<string, { code: string }> }>(
    'POST',
    `${fathom.globalUrl}/api/collections/users/records`,
    { body: { email, password: PASSWORD, passwordConfirm: PASSWORD, invitation } },
  );

const REFUSED_BY_API = { status: 403, body: { code: 'invitation.invalid' } };
const REFUSED_BY_GLOBAL = {
  status: 400,
  body: { data: { invitation: { code: 'validation_invalid_invitation' } } },
};

const usesOf = async ({ client }: Deployment, id: string) =>
  (await client.invitations.all()).find((one) => one.id === id)?.uses;

async function command(fathom: Deployment, ...args: string[]) {
  const { exitCode, stdout, stderr } = await fathomd(['invitations', ...args, '--json'], { env: fathom.env });
  return { exitCode, stderr, created: (stdout === '' ? null : JSON.parse(stdout)) as CreatedInvitation };
}

const codeOf = ({ client }: Deployment, invitation: object) =>
  client.invitations.create(invitation).then(
    () => 'created',
    (error: unknown) => (error as { code: string }).code,
  );

describe('with SIGN_UP_MODE=invited', () => {
  let server: MailServer;
  let fathom: Deployment;

  beforeAll(async () => {
    server = await mailServer();
    const provider = await openIdProvider();
    fathom = await createDeployment({ ...server.settings, ...provider.settings, SIGN_UP_MODE: 'invited' });
    await fathom.start({ PUBLIC_URL: fathom.url });
    await fathom.client.plans.set('gold', { api_keys: 3 });
    return () => provider.close();
  });

  afterAll(async () => {
    await fathom.dispose();
    await server.close();
  });

  const create = (invitation: Parameters<Deployment['client']['invitations']['create']>[0] = {}) =>
    fathom.client.invitations.create(invitation);

  it('no one signs up without an invitation', async () => {
    for (const none of [undefined, null, '']) {
      expect(await atApi(fathom, 'a@example.com', none)).toMatchObject({
        status: 403,
        body: { code: 'invitation.required' },
      });
      expect((await atGlobal(fathom, 'a@example.com', none)).status).toBe(403);
    }
    await expect(signInWithCode(fathom.globalUrl, 'stranger')).rejects.toMatchObject({ status: 403 });
    expect((await fathom.client.users.list({ role: 'user' })).total).toBe(0);
  });

  it('an invitation sent by mail leads to an account with its plan and a proved address', async () => {
    const { exitCode, created } = await command(fathom, 'create', 'Ann@example.com', '--plan', 'gold');
    expect(exitCode).toBe(0);
    expect(created).toMatchObject({
      token: null,
      link: null,
      mail_problem: null,
      mailed: true,
      state: 'open',
    });
    const mail = await server.mailTo('Ann@example.com');
    expect(mail).toMatchObject({ subject: 'Invitation to Example Cloud', encrypted: true });
    const link = linkIn(mail);
    expect((await fetch(link)).status).toBe(200);
    const token = tokenIn(link);
    expect(await atApi(fathom, 'other@example.com', token)).toMatchObject(REFUSED_BY_API);
    const { status, body } = await atApi(fathom, 'ann@example.com', token);
    expect([status, body.database.status]).toEqual([201, 'Running']);
    expect(await fathom.client.users.get(body.user.id)).toMatchObject({ verified: true, plan: 'gold' });
    expect(await atApi(fathom, 'ann@example.com', token)).toMatchObject(REFUSED_BY_API);
    // Without a usable one, no address shows whether it has an account.
    expect(await atGlobal(fathom, 'ann@example.com', 'x')).toMatchObject(REFUSED_BY_GLOBAL);
    expect((await fathom.client.invitations.all()).find(({ id }) => id === created.id)?.state).toBe('used');
    const { items } = await fathom.client.audit.list({ action: 'invitation.use' });
    expect(items).toMatchObject([{ target: created.id, actor: body.user.id }]);
  });

  it('an invitation that was shown proves nothing', async () => {
    const { token, link } = await create({ email: 'bob@example.com', mail: false });
    expect(tokenIn(new URL(link ?? ''))).toBe(token);
    const made = await atGlobal(fathom, 'bob@example.com', token);
    expect(made.status).toBe(200);
    expect(await fathom.client.users.get(made.body.id)).toMatchObject({ verified: false, plan: 'default' });
  });

  it('odd, unknown, expired, used and revoked ones get the same answer at every door', async () => {
    const expired = await create();
    const pocketBase = await controlPlane(fathom);
    await pocketBase.collection('invitations').update(expired.id, { expires_at: '2026-01-01 00:00:00.000Z' });
    const revoked = await create();
    expect((await command(fathom, 'revoke', revoked.id)).exitCode).toBe(0);
    expect((await command(fathom, 'revoke', revoked.id)).exitCode).toBe(1);
    const good = await create();
    const spoiled = [
      expired.token,
      revoked.token,
      `${good.token} `,
      good.token?.toLowerCase(),
      good.token?.slice(1),
      `${good.token}\u0000`,
      "' OR 1=1 --",
      'x'.repeat(43),
      'ü'.repeat(43),
      0,
      true,
      [good.token],
      { token: good.token },
    ];
    const problems = new Set<string>();
    for (const [index, invitation] of spoiled.entries()) {
      const api = await atApi(fathom, `odd${index}@example.com`, invitation);
      expect(api, JSON.stringify(invitation)).toMatchObject(REFUSED_BY_API);
      problems.add(api.body.detail);
      const global = await atGlobal(fathom, `odd${index}@example.com`, invitation);
      expect(global, JSON.stringify(invitation)).toMatchObject(REFUSED_BY_GLOBAL);
    }
    expect(problems.size).toBe(1);
    expect(await usesOf(fathom, good.id)).toBe(0);
  });

  it('a refused sign-up does not use the invitation', async () => {
    const { id, token } = await create();
    expect((await atApi(fathom, 'ann@example.com', token)).body.code).toBe('auth.email_taken');
    expect((await atApi(fathom, 'cal@example.com', token, 'password1')).status).toBe(400);
    expect((await atApi(fathom, 'not an address', token)).status).toBe(400);
    expect(await usesOf(fathom, id)).toBe(0);
    expect((await atApi(fathom, 'cal@example.com', token)).status).toBe(201);
  });

  it('concurrent sign-ups use it as often as it says, at both doors', async () => {
    for (const [round, uses] of [1, 3].entries()) {
      const { id, token } = await create({ uses });
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) => {
          const email = `race${round}-${index}@example.com`;
          return index % 2 === 0 ? atApi(fathom, email, token) : atGlobal(fathom, email, token);
        }),
      );
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(uses);
      expect(await usesOf(fathom, id)).toBe(uses);
      const { total } = await fathom.client.users.list({ search: `race${round}-` });
      expect(total).toBe(uses);
    }
  });

  it('a sign-up with a provider presents it as data of the new account', async () => {
    const { id, token } = await create({ plan: 'gold' });
    await expect(signInWithCode(fathom.globalUrl, 'dan', { invitation: 'x' })).rejects.toMatchObject({
      status: 400,
      response: { data: { invitation: { code: 'validation_invalid_invitation' } } },
    });
    const { record } = await signInWithCode(fathom.globalUrl, 'dan', { invitation: token });
    expect(await fathom.client.users.get(record.id)).toMatchObject({ verified: true, plan: 'gold' });
    expect(await usesOf(fathom, id)).toBe(1);
    await expect(signInWithCode(fathom.globalUrl, 'eve', { invitation: token })).rejects.toMatchObject({
      status: 400,
    });
    // A later sign-in needs none.
    expect((await signInWithCode(fathom.globalUrl, 'dan')).record.id).toBe(record.id);
    await until(
      async () => (await fathom.client.audit.list({ action: 'invitation.use' })).items[0]?.target === id,
      {
        what: 'the audit entry',
      },
    );
  });

  it('a provider that has verified the invited address needs no token', async () => {
    const invited = await create({ email: 'Fay@Example.com', plan: 'gold', mail: false });
    const signIn = (login: string, data?: object) => signInWithCode(fathom.globalUrl, login, data);
    const refused = { status: 403, message: textWith('invitation') };
    // Others, the address that its provider has not verified, and another address than the verified one.
    await expect(signIn('gus')).rejects.toMatchObject(refused);
    await create({ email: 'ann@example.org', mail: false });
    await expect(signIn(LIAR, { email: 'fay@example.com' })).rejects.toMatchObject(refused);
    await expect(signIn('fay', { email: 'gus@example.com' })).rejects.toMatchObject(refused);
    await expect(signIn('fay', { invitation: 'wrong' })).rejects.toMatchObject({ status: 400 });
    expect(await usesOf(fathom, invited.id)).toBe(0);

    const answers = await Promise.allSettled([signIn('fay'), signIn('fay'), signIn('fay')]);
    expect(answers.map(({ status }) => status)).toContain('fulfilled');
    const { record, meta } = await signIn('fay');
    expect(await fathom.client.users.get(record.id)).toMatchObject({
      email: 'fay@example.com',
      verified: true,
      plan: 'gold',
    });
    expect(meta?.['database']).toMatchObject({ status: 'Running' });
    expect(await usesOf(fathom, invited.id)).toBe(1);
    expect((await fathom.client.users.list({ search: 'fay@' })).total).toBe(1);

    // One that is revoked or used does not count, and neither does one without an address.
    const revoked = await create({ email: 'hal@example.com', mail: false });
    await fathom.client.invitations.revoke(revoked.id);
    await create();
    await expect(signIn('hal')).rejects.toMatchObject(refused);
    await fathom.client.users.delete(record.id);
    await expect(signIn('fay')).rejects.toMatchObject({ status: 403 });
  });

  it('cannot be created for accounts, plans, addresses and numbers that do not fit', async () => {
    expect(await codeOf(fathom, { email: 'ANN@example.com' })).toBe('conflict');
    for (const odd of [
      { plan: 'none-such' },
      { email: 'not an address' },
      { email: 'ann@example.com\r\nBcc: eve@example.com' },
      { email: 'x@example.com, y@example.com' },
      { email: 'fay@example.com', uses: 2 },
      { uses: 0 },
      { uses: 1.5 },
      { expires_days: 0 },
      { expires_days: 10_000 },
      { max_uses: 3 },
    ]) {
      expect(await codeOf(fathom, odd), JSON.stringify(odd)).toBe('request.invalid');
    }
    expect(server.mails.flatMap(({ recipients }) => recipients)).not.toContain('eve@example.com');
  });

  it('the token is stored and shown nowhere else', async () => {
    const { token } = await create();
    const pocketBase = await controlPlane(fathom);
    const stored = JSON.stringify(await pocketBase.collection('invitations').getFullList());
    expect(stored).not.toContain(token);
    expect(JSON.stringify(await fathom.client.invitations.all())).not.toContain(token);
    expect(JSON.stringify((await fathom.client.audit.list({})).items)).not.toContain(token);
    const anonymous = await call('GET', `${fathom.globalUrl}/api/collections/invitations/records`);
    expect(anonymous.status).toBe(403);
    await expect(new PocketBase(fathom.globalUrl).collection('invitations').create({})).rejects.toMatchObject(
      {
        status: 403,
      },
    );
  });
});

it('in other modes an invitation for the verified address does not refuse another one', async () => {
  const provider = await openIdProvider();
  onTestFinished(() => provider.close());
  const fathom = await deployment({ ...provider.settings, SIGN_UP_MODE: 'open' });
  await fathom.start();
  const { id } = await fathom.client.invitations.create({ email: 'fay@example.com', mail: false });
  const other = await signInWithCode(fathom.globalUrl, 'fay', { email: 'other@example.com' });
  expect(await fathom.client.users.get(other.record.id)).toMatchObject({ email: 'other@example.com' });
  expect(await usesOf(fathom, id)).toBe(0);
  await fathom.client.users.delete(other.record.id);
  await signInWithCode(fathom.globalUrl, 'fay', { email: 'FAY@example.com' });
  expect(await usesOf(fathom, id)).toBe(1);
});

it('in other modes an invitation adds its plan, and SIGN_UP_MODE=closed refuses it', async () => {
  const fathom = await deployment({ SIGN_UP_MODE: 'verified' });
  const daemon = await fathom.start();
  const { exitCode, created, stderr } = await command(fathom, 'create', 'ann@example.com');
  expect(exitCode).toBe(0);
  expect(created).toMatchObject({ link: null, mailed: false, mail_problem: expect.any(String) as string });
  expect(stderr).toBe('');
  expect(await atApi(fathom, 'ann@example.com', 'x')).toMatchObject(REFUSED_BY_API);
  expect(await atApi(fathom, 'ann@example.com', created.token)).toMatchObject({
    status: 201,
    body: { database: { status: 'awaiting_verification' } },
  });
  const second = await fathom.client.invitations.create({});
  await daemon.stop();
  await fathom.start({ SIGN_UP_MODE: 'closed' });
  expect(await atApi(fathom, 'bob@example.com', second.token)).toMatchObject({
    status: 403,
    body: { code: 'sign_up.closed' },
  });
  expect(await usesOf(fathom, second.id)).toBe(0);
  await expect(fathom.client.invitations.create({})).rejects.toMatchObject({ code: 'conflict' });
});

it('is shown with the reason if the mail server does not take it', async () => {
  const server = await mailServer();
  onTestFinished(() => server.close());
  const fathom = await deployment({
    ...server.settings,
    SMTP_PASSWORD: 'not this one',
    SIGN_UP_MODE: 'verified',
  });
  await fathom.start({ PUBLIC_URL: fathom.url });
  const created = await fathom.client.invitations.create({ email: 'ann@example.com' });
  expect(created).toMatchObject({
    mailed: false,
    mail_problem: expect.stringContaining('SMTP_PASSWORD') as string,
  });
  // Another person may have got the link, so it proves nothing.
  const { body } = await atApi(fathom, 'ann@example.com', created.token);
  expect(body.database.status).toBe('awaiting_verification');
});
