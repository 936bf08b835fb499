import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer, tokenIn } from '../helpers/mail-server.ts';
import { expectAccessible, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

const MARKUP = '<img src=x onerror=alert(1)>';

describe.skipIf(!hasChromium)('the account on the page of owners', () => {
  let stage: WebStage;
  let server: MailServer;

  beforeAll(async () => {
    server = await mailServer();
    stage = await webStage({ ...server.settings, DATABASE_TRASH_DAYS: '30' }, (url) => ({ PUBLIC_URL: url }));
  });

  afterAll(async () => {
    await stage.dispose();
    await server.close();
  });

  it.each(SIZES)('creates a key, shows it once, and revokes it ($size)', async (size) => {
    const { fathom } = stage;
    const email = `keys-${size.size}@example.com`;
    await signUp(fathom.url, email);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'API keys' }).click();
    await page.getByText('You have no keys.').waitFor();
    await expectAccessible(page);
    await page.getByLabel('Name').fill(MARKUP);
    await page.getByRole('button', { name: 'Create the key' }).click();
    await page.getByText('Copy it now').waitFor();
    const key = await page.locator('.notice code').innerText();
    const me = () => call('GET', `${fathom.url}/api/v1/databases`, { token: key });
    expect((await me()).status).toBe(200);
    // It can only read.
    const { database } = await signUp(fathom.url, `other-${email}`);
    const restart = `${fathom.url}/api/v1/databases/${database.name}/restart`;
    expect((await call('POST', restart, { token: key })).status).toBe(403);
    await page.getByText(MARKUP).waitFor();
    await expectAccessible(page);

    await page.reload();
    await page.getByRole('button', { name: `Revoke the key ${MARKUP}` }).click();
    expect(await page.getByText(key).count()).toBe(0);
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect((await me()).status).toBe(200);
    await page.getByRole('button', { name: `Revoke the key ${MARKUP}` }).click();
    await dialog.getByRole('button', { name: 'Revoke the key' }).click();
    await page.getByText('You have no keys.').waitFor();
    expect((await me()).status).toBe(401);
  });

  it.each(SIZES)(
    'shows sessions with their device, ends one, and signs out everywhere ($size)',
    async (size) => {
      const { fathom } = stage;
      const email = `sessions-${size.size}@example.com`;
      await signUp(fathom.url, email);
      const { body } = await call<{ token: string }>('POST', `${fathom.url}/api/v1/auth/login`, {
        body: { email, password: PASSWORD },
        headers: { 'user-agent': MARKUP },
      });
      const page = await stage.open('', size);
      await signInAt(page, email);
      await page.getByRole('link', { name: 'Account' }).click();
      await page.getByText('(this tab)').waitFor();
      await page.getByText('Chrome on Linux').waitFor();
      await expectAccessible(page);
      await page.getByRole('button', { name: `End the session of ${MARKUP}` }).click();
      await expectAccessible(page);
      await page.getByRole('button', { name: 'End the session', exact: true }).click();
      await page.getByRole('button', { name: `End the session of ${MARKUP}` }).waitFor({ state: 'detached' });
      expect((await call('GET', `${fathom.url}/api/v1/me`, body)).status).toBe(401);
      await page.getByRole('button', { name: 'Sign out everywhere' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
      await page.getByText('You are signed out.').waitFor();
    },
  );

  it('refuses a password that is too long, and does not cut it', async () => {
    const email = 'long@example.com';
    const tooLong = 'otters paint the moon '.repeat(4);
    const page = await stage.open('#/sign-up');
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(tooLong);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByText('Has more than 71 bytes').waitFor();
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByRole('link', { name: 'Account' }).click();
    const change = page.getByRole('region', { name: 'Password' });
    await change.getByLabel('Password of today').fill(PASSWORD);
    await change.getByLabel('New password').fill(tooLong);
    await change.getByRole('button').click();
    await change.getByText('Has more than 71 bytes').waitFor();

    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('link', { name: 'Forgotten password?' }).click();
    await page.fill('#again input', email);
    await page.click('#again button');
    await page.goto(linkIn(await server.mailTo(email)).href);
    await page.fill('#main input', tooLong);
    await page.click('#main button');
    await page.getByText('has more than 71 bytes').waitFor();
    await signIn(stage.fathom.url, email);
  });

  it('leads over a mail to a new password, and back to the page', async () => {
    const email = 'forgotten@example.com';
    await signUp(stage.fathom.url, email);
    const page = await stage.open();
    await page.getByRole('link', { name: 'Forgotten password?' }).click();
    await page.fill('#again input', email);
    await page.click('#again button');
    await page.goto(linkIn(await server.mailTo(email)).href);
    await page.fill('#main input', 'my own lantern by the river');
    await page.click('#main button');
    await page.getByText('Your password is changed.').waitFor();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill('my own lantern by the river');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'My database' }).waitFor();
  });

  it.each(SIZES)('changes the password and the address with the password ($size)', async (size) => {
    const { fathom } = stage;
    const email = `change-${size.size}@example.com`;
    await signUp(fathom.url, email);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'Account' }).click();
    const password = page.getByRole('region', { name: 'Password' });
    await password.getByLabel('Password of today').fill('not this one');
    await password.getByLabel('New password').fill('my own lantern by the river');
    await password.getByRole('button').click();
    await password.getByText('Is wrong.').waitFor();
    await expectAccessible(page);
    await password.getByLabel('Password of today').fill(PASSWORD);
    await password.getByRole('button').click();
    await page.getByText('Your password is changed.').waitFor();
    await expectAccessible(page);
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill('my own lantern by the river');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Account', exact: true }).waitFor();

    const address = page.getByRole('region', { name: 'E-mail address' });
    await address.getByLabel('New e-mail address').fill(`new-${email}`);
    await address.getByLabel('Your password').fill('my own lantern by the river');
    await address.getByRole('button').click();
    await page.getByText(`The mail is on its way to new-${email}`).waitFor();
    await expectAccessible(page);
    await page.goto(linkIn(await server.mailTo(`new-${email}`)).href);
    await page.fill('#main input', 'my own lantern by the river');
    await page.click('#main button');
    await page.getByText('Your e-mail address is changed.').waitFor();
    await signIn(fathom.url, `new-${email}`, 'my own lantern by the river');
  });

  it.each(SIZES)(
    'deletes the account with the typed address and the password, and brings it back ($size)',
    async (size) => {
      const { fathom } = stage;
      const email = `delete-${size.size}@example.com`;
      await signUp(fathom.url, email);
      const page = await stage.open('', size);
      await signInAt(page, email);
      await page.getByRole('link', { name: 'Account' }).click();
      await page.getByRole('button', { name: 'Delete the account' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Your password').fill(PASSWORD);
      await dialog.getByLabel('Type your e-mail address').fill('other@example.com');
      await dialog.getByRole('button', { name: 'Delete everything' }).click();
      await dialog.getByText('Is not the address of this account.').waitFor();
      await expectAccessible(page);
      await dialog.getByLabel('Type your e-mail address').fill(email);
      await dialog.getByRole('button', { name: 'Delete everything' }).click();
      await page.getByText('Your account is deleted.').waitFor();
      await expectAccessible(page);
      await page.getByLabel('E-mail address').fill(email);
      await page.getByLabel('Password').fill('not this one');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').getByText('password is wrong').waitFor();
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Your account is deleted' }).waitFor();
      await page.getByText('is erased on').waitFor();
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Use another account' }).click();
      await page.getByLabel('E-mail address').fill(email);
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('button', { name: 'Bring it back' }).click();
      await page.getByRole('region', { name: 'Delete the account' }).waitFor();
      await expectAccessible(page);
      await signIn(fathom.url, email);
    },
  );
});

describe.skipIf(!hasChromium)('an account that waits for its address', () => {
  let stage: WebStage;
  let server: MailServer;

  beforeAll(async () => {
    server = await mailServer();
    stage = await webStage({ ...server.settings, SIGN_UP_MODE: 'verified' }, (url) => ({ PUBLIC_URL: url }));
  });

  afterAll(async () => {
    await stage.dispose();
    await server.close();
  });

  it('shows the database as soon as the link of the mail is used', async () => {
    const page = await stage.open('#/sign-up');
    await page.getByLabel('E-mail address').fill('new@example.com');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign up' }).click();
    await page.getByText('A mail was sent to new@example.com').waitFor();
    await server.mailTo('new@example.com');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Send the mail again' }).click();
    const token = tokenIn(linkIn(await server.mailTo('new@example.com')));
    await call('POST', `${stage.fathom.url}/api/v1/auth/verify`, { body: { token } });
    await page.locator('[data-phase=running]').waitFor();
    await page.getByRole('link', { name: 'Quick start' }).click();
    await page.getByRole('button', { name: 'Show the token' }).waitFor();
  });
});
