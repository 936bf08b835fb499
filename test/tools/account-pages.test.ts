import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import { linkIn, type MailServer, mailServer } from '../helpers/mail-server.ts';

const NEW_PASSWORD = 'my own lantern by the river';

const done = (page: Page, name: string) => page.locator(`[data-done=${name}]`).waitFor({ state: 'visible' });
const error = (page: Page, code: string) =>
  page.locator(`[data-error="${code}"]`).waitFor({ state: 'visible' });

describe.skipIf(!hasChromium)('the pages of mails in a browser', () => {
  let server: MailServer;
  let fathom: Deployment;
  let browser: Browser;
  /** What a page must not do: other origins, errors, dialogs of injected scripts. */
  const suspicious: string[] = [];

  beforeAll(async () => {
    server = await mailServer();
    fathom = await createDeployment({ ...server.settings, SIGN_UP_MODE: 'verified' });
    await fathom.start({ PUBLIC_URL: fathom.url });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await fathom.dispose();
    await server.close();
    expect(suspicious).toEqual([]);
  });

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage();
    page.on('request', (request) => {
      if (!request.url().startsWith(fathom.url) && !request.url().startsWith('data:'))
        suspicious.push(request.url());
    });
    page.on('pageerror', ({ message }) => suspicious.push(message));
    page.on('dialog', (dialog) => {
      suspicious.push(dialog.message());
      void dialog.dismiss();
    });
    await page.goto(url);
    return page;
  }

  it('confirm an address, also with an old link', async () => {
    await signUp(fathom.url, 'ann@example.com');
    const link = linkIn(await server.mailTo('ann@example.com'));
    const old = await open(`${link.href}x`);
    await old.click('#main button');
    await error(old, 'link.invalid');
    await old.fill('#again input', 'ann@example.com');
    await old.click('#again button');
    await done(old, 'again');
    const page = await open(linkIn(await server.mailTo('ann@example.com')).href);
    await page.click('#main button');
    await done(page, 'main');
    // A reload does not use the link again.
    expect(page.url()).not.toContain('#');
    expect((await signIn(fathom.url, 'ann@example.com')).database.status).toBe('Running');
  });

  it('set a new password, and say what is wrong with a weak one', async () => {
    await signUp(fathom.url, 'bob@example.com');
    await server.mailTo('bob@example.com');
    const request = await open(`${fathom.url}/account/reset-password`);
    await request.fill('#again input', 'bob@example.com');
    await request.click('#again button');
    await done(request, 'again');
    const page = await open(linkIn(await server.mailTo('bob@example.com')).href);
    await page.fill('#main input', 'password1');
    await page.click('#main button');
    await page.locator('#main [data-field=password]').waitFor({ state: 'visible' });
    expect(await page.locator('#main input').getAttribute('aria-invalid')).toBe('true');
    await page.fill('#main input', NEW_PASSWORD);
    await page.click('#main button');
    await done(page, 'main');
    await signIn(fathom.url, 'bob@example.com', NEW_PASSWORD);
  });

  it('create an account with an invitation, once', async () => {
    await fathom.client.invitations.create({ email: 'cal@example.com' });
    const { href } = linkIn(await server.mailTo('cal@example.com'));
    const page = await open(href);
    expect(await page.inputValue('#main input[type=email]')).toBe('cal@example.com');
    await page.fill('#main input[type=password]', PASSWORD);
    await page.click('#main button');
    await done(page, 'main');
    expect((await signIn(fathom.url, 'cal@example.com')).database.status).toBe('Running');
    const again = await open(href);
    await again.fill('#main input[type=email]', 'dan@example.com');
    await again.fill('#main input[type=password]', PASSWORD);
    await again.click('#main button');
    await error(again, 'invitation.invalid');
    // Only the session of this test is left.
    const { items } = await fathom.client.sessions.list({ all: true, per_page: 100 });
    const { id } = (await signIn(fathom.url, 'cal@example.com')).user;
    expect(items.filter(({ user_id }) => user_id === id)).toHaveLength(1);
  });

  it.each([
    '#token=<img src=x onerror=alert(1)>',
    '#token=x&email="><script>alert(1)</script>',
    '#"><svg onload=alert(1)>',
    '#javascript:alert(1)',
    '#token=x&next=https://evil.example',
  ])('run nothing from the address %s', async (fragment) => {
    for (const name of ['verify', 'reset-password', 'change-email', 'invitation']) {
      const page = await open(`${fathom.url}/account/${name}${fragment}`);
      for (const input of await page.locator('#main input:not([type=email])').all())
        await input.fill(PASSWORD);
      const email = page.locator('#main input[type=email]');
      if ((await email.count()) > 0) await email.fill('eve@example.com');
      await page.click('#main button');
      await page.locator('.error:visible').first().waitFor();
      expect(new URL(page.url()).pathname).toBe(`/account/${name}`);
      await page.close();
    }
  });
});
