import PocketBase from 'pocketbase';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { call, PASSWORD, signUp } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer, tokenIn } from '../helpers/mail-server.ts';

/** What docs/security.md promises for one address and kind of mail. */
const MAILS_IN_AN_HOUR = 5;

let server: MailServer;
let fathom: Deployment;

beforeAll(async () => {
  server = await mailServer();
  fathom = await createDeployment({
    ...server.settings,
    SIGN_UP_MODE: 'verified',
    // Each request comes from an address of its own.
    TRUSTED_PROXIES: '127.0.0.1',
  });
  await fathom.start({ PUBLIC_URL: fathom.url });
});

afterAll(async () => {
  await fathom.dispose();
  await server.close();
});

const mailsTo = (address: string) =>
  server.mails.filter(({ recipients }) => recipients.some((one) => one.toLowerCase() === address));

it('no one fills a mailbox through this host, whichever door and kind of mail', async () => {
  const email = 'victim@example.com';
  await signUp(fathom.url, email);
  const global = (action: string) => `${fathom.globalUrl}/api/collections/users/${action}`;
  const doors = [
    `${fathom.url}/api/v1/auth/request-verification`,
    `${fathom.url}/api/v1/auth/request-password-reset`,
    global('request-verification'),
    global('request-password-reset'),
  ];
  const spellings = [email, 'VICTIM@example.com', 'Victim@Example.com'];
  // All at once, because PocketBase itself counts a mail only after it was sent.
  const statuses = await Promise.all(
    Array.from({ length: 120 }, async (_, index) => {
      const headers = { 'x-forwarded-for': `203.0.113.${index}` };
      const body = { email: spellings[index % spellings.length] };
      return (await call('POST', doors[index % doors.length] ?? '', { body, headers })).status;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set([204]));
  // The mail server takes a later mail after those that were sent before it.
  const other = 'later@example.com';
  await signUp(fathom.url, other);
  await server.mailTo(other);
  expect(mailsTo(email).length).toBeGreaterThan(0);
  expect(mailsTo(email).length).toBeLessThanOrEqual(2 * MAILS_IN_AN_HOUR);
  // Requests for one kind do not keep the owner from getting the other one.
  const resets = mailsTo(email).filter((mail) => linkIn(mail).pathname.endsWith('/reset-password'));
  expect(resets.length).toBeGreaterThan(0);
  expect(resets.length).toBeLessThanOrEqual(MAILS_IN_AN_HOUR);
});

it('a signed-in user cannot fill the mailboxes of others with changes of address', async () => {
  const client = new PocketBase(fathom.globalUrl);
  client.autoCancellation(false);
  await signUp(fathom.url, 'mallory@example.com');
  await client.collection('users').authWithPassword('mallory@example.com', PASSWORD);
  const outcomes = await Promise.all(
    Array.from({ length: 15 }, (_, index) =>
      client
        .collection('users')
        .requestEmailChange(`stranger${index % 3}@example.com`, {
          headers: { 'x-forwarded-for': `198.51.100.${index}` },
        })
        .then(
          () => 204,
          (error: unknown) => (error as { status: number }).status,
        ),
    ),
  );
  expect(outcomes).toContain(429);
  const sent = server.mails.filter(({ recipients }) => recipients[0]?.startsWith('stranger'));
  expect(sent.length).toBeLessThanOrEqual(MAILS_IN_AN_HOUR);
});

it('requests answer the same with and without an account', async () => {
  await signUp(fathom.url, 'known@example.com');
  for (const action of ['request-verification', 'request-password-reset']) {
    const answers = await Promise.all(
      ['known@example.com', 'unknown@example.com', 'not an address', '*', "' OR 1=1 --", 'x\r\nBcc: y'].map(
        async (email) => {
          const { status, body } = await call('POST', `${fathom.url}/api/v1/auth/${action}`, {
            body: { email },
          });
          return [status, body];
        },
      ),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  }
  expect(server.mails.flatMap(({ recipients }) => recipients)).not.toContain('unknown@example.com');
});

const requestFrom = (address: string) =>
  call('POST', `${fathom.url}/api/v1/auth/request-verification`, {
    body: { email: 'unknown@example.com' },
    headers: { 'x-forwarded-for': address },
  });

it('the requests of one client are limited, and other clients are not', async () => {
  const statuses = [];
  for (let count = 0; count < 25; count += 1)
    statuses.push((await requestFrom(`2001:db8::${count + 1}`)).status);
  expect(statuses.filter((status) => status === 204)).toHaveLength(20);
  const limited = await requestFrom('2001:db8::ffff');
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await requestFrom('2001:db8:0:1::1')).status).toBe(204);
});

it('a link of one account does not serve another, and not after the address has changed', async () => {
  const { user } = await signUp(fathom.url, 'ann@example.com');
  const token = tokenIn(linkIn(await server.mailTo('ann@example.com')));
  const admin = new PocketBase(fathom.globalUrl);
  await admin.collection('_superusers').authWithPassword(fathom.admin.email, fathom.admin.password);
  await admin.collection('users').update(user.id, { email: 'else@example.com' });
  const used = await call('POST', `${fathom.url}/api/v1/auth/verify`, { body: { token } });
  expect(used).toMatchObject({ status: 400, body: { code: 'link.invalid' } });
  expect(await fathom.client.users.get(user.id)).toMatchObject({ verified: false });
});

it('names and addresses add no header, recipient or HTML to a mail', async () => {
  const odd = 'Eve\r\nBcc: other@example.com<script>alert(1)</script>';
  const body = { email: 'eve@example.com', password: PASSWORD };
  const named = await call('POST', `${fathom.url}/api/v1/auth/register`, { body: { ...body, name: odd } });
  expect(named).toMatchObject({ status: 400, body: { errors: [{ path: 'name' }] } });
  // PocketBase itself takes such a name.
  const users = new PocketBase(fathom.globalUrl).collection('users');
  await users.create({ ...body, passwordConfirm: PASSWORD, name: odd });
  const mail = await server.mailTo('eve@example.com');
  expect(mail.recipients).toEqual(['eve@example.com']);
  expect(mail.html).not.toContain('<script');
  expect(mail.headers.map(({ key }) => key)).not.toContain('bcc');
  for (const email of [
    'eve@example.com\r\nRCPT TO:<x@example.com>',
    'a@example.com,b@example.com',
    '"a b"@example.com',
  ]) {
    const refused = await call('POST', `${fathom.url}/api/v1/auth/register`, { body: { ...body, email } });
    expect(refused.status, email).toBe(400);
  }
});

it('the pages take nothing from their address but the token', async () => {
  for (const query of ['?next=https://evil.example', '?token=%3Cscript%3E', '?redirect=//evil.example']) {
    const page = await fetch(`${fathom.url}/account/verify${query}`, { redirect: 'manual' });
    expect(page.status).toBe(200);
    expect(await page.text()).not.toMatch(/evil|<script>/);
  }
  for (const path of [
    '/account/',
    '/account/..%2f..%2fpackage.json',
    '/account/page.js.map',
    '/account/verify/x',
  ]) {
    expect((await fetch(`${fathom.url}${path}`)).status, path).toBe(404);
  }
});
