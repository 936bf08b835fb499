import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { untilInstance, untilReplaced } from '../helpers/fleet-actions.ts';
import { call, PASSWORD, signIn, signUp } from '../helpers/http-call.ts';
import {
  expectAccessible,
  fillSignUp,
  phaseShown,
  SIZES,
  signInAt,
  type WebStage,
  webStage,
} from './web-stage.ts';

const DAY_MS = 86_400_000;

describe.skipIf(!hasChromium)('the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage({ DATABASE_DISK_MB: '50' });
  });

  afterAll(() => stage.dispose());

  describe.each(SIZES)('on a $size ($colorScheme)', (size) => {
    const email = `ann-${size.size}@example.com`;

    it('signs up, shows the database and how to use it, and signs out', async () => {
      const { fathom } = stage;
      const page = await stage.open('', size);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await expectAccessible(page);
      await page.getByRole('link', { name: 'Sign up' }).click();
      await page.getByRole('heading', { name: 'Sign up' }).waitFor();
      await expectAccessible(page);
      await fillSignUp(page, email);
      await phaseShown(page, 'running');
      const { database } = await signIn(fathom.url, email);
      await page.getByText(database.url, { exact: true }).waitFor();
      await page.getByText(/^Disk: .* of 50 MiB$/).waitFor();
      await expectAccessible(page);

      await page.getByRole('link', { name: 'Quick start' }).click();
      await page.getByRole('heading', { name: 'Quick start' }).waitFor();
      const example = page.locator('pre');
      expect(await example.innerText()).toContain(`new PocketBase('${database.url}')`);
      expect(await example.innerText()).toContain("save('YOUR_TOKEN')");
      await expectAccessible(page);
      await page.getByRole('button', { name: 'Show the token' }).click();
      await page.getByRole('button', { name: 'Show the token', pressed: true }).waitFor();
      const [, token = ''] = /save\('([^']+)'\)/.exec(await example.innerText()) ?? [];
      const records = `${database.url}/api/collections/documents/records`;
      const made = await call('POST', records, { headers: { authorization: token }, body: { title: 'x' } });
      expect(made.status).toBe(200);
      for (const client of ['curl', 'Dart']) {
        await page.getByRole('tab', { name: client }).click();
        expect(await example.innerText()).toContain(token);
        await expectAccessible(page);
      }

      // A reload keeps the session, which is in no cookie and no address.
      await page.reload();
      await page.getByRole('heading', { name: 'Quick start' }).waitFor();
      expect(await page.context().cookies()).toEqual([]);
      expect(page.url()).toBe(`${fathom.url}/#/quick-start`);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByText('You are signed out.').waitFor();
      expect(await page.evaluate<number>('sessionStorage.length + localStorage.length')).toBe(0);
      await expectAccessible(page);
    });

    it('shows what is wrong beside the field, and what the daemon answers', async () => {
      const page = await stage.open('#/sign-up', size);
      await page.getByLabel('E-mail address').fill('x@example.com');
      await page.getByLabel('Password').fill('password1');
      await page.getByRole('button', { name: 'Sign up' }).click();
      const password = page.getByLabel('Password');
      await page.locator('input[type=password][aria-invalid=true]:focus').waitFor();
      expect(await password.getAttribute('aria-describedby')).toMatch(/-hint .*-error/);
      await expectAccessible(page);

      await page.getByRole('link', { name: 'Sign in' }).click();
      await page.getByLabel('E-mail address').fill('nobody@example.com');
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').waitFor();
      await expectAccessible(page);
    });
  });

  it('follows the database live: restart, stop, start, sleep and wake', async () => {
    const { fathom } = stage;
    const { database, token } = await signUp(fathom.url, 'live@example.com');
    const page = await stage.open();
    await signInAt(page, 'live@example.com');
    await phaseShown(page, 'running');
    const before = await untilInstance(fathom, database.name, ({ phase }) => phase === 'running', 'to run');
    await page.getByRole('button', { name: 'Restart' }).click();
    await untilReplaced(fathom, before);
    await phaseShown(page, 'running');

    await call('POST', `${fathom.url}/api/v1/databases/${database.name}/stop`, { token });
    await phaseShown(page, 'stopped');
    await page.getByText('Requests get no answer until it is started.').waitFor();
    await page.getByText('None while the database does not run').waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Start' }).click();
    await phaseShown(page, 'running');

    await fathom.client.databases.sleep(database.name, { force: true });
    await phaseShown(page, 'asleep');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Wake' }).click();
    await phaseShown(page, 'running');
  });

  it('is signed out when the session ends elsewhere', async () => {
    const { fathom } = stage;
    const { token } = await signUp(fathom.url, 'elsewhere@example.com');
    const page = await stage.open();
    await signInAt(page, 'elsewhere@example.com');
    await page.getByRole('link', { name: 'Quick start' }).click();
    await page.getByRole('heading', { name: 'Quick start' }).waitFor();
    expect((await call('DELETE', `${fathom.url}/api/v1/sessions`, { token })).status).toBe(204);
    await page.getByText('Your session has ended.').waitFor();
    expect(await page.evaluate<number>('sessionStorage.length')).toBe(0);
  });

  it('renews the token without a new sign-in', async () => {
    await signUp(stage.fathom.url, 'renew@example.com');
    const page = await stage.open();
    await signInAt(page, 'renew@example.com');
    const stored = () => page.evaluate<string>("JSON.parse(sessionStorage.getItem('fathom.session')).token");
    const before = await stored();
    await page.getByRole('link', { name: 'Quick start' }).click();
    await Promise.all([
      page.waitForResponse((response) => response.url().endsWith('/api/v1/auth/refresh')),
      page.getByRole('button', { name: 'Get a new token' }).click(),
    ]);
    await page.getByRole('link', { name: 'My database' }).click();
    await phaseShown(page, 'running');
    expect(await stored()).not.toBe(before);
  });

  it.each([
    ['behind', -800],
    ['ahead', 800],
  ])('renews the session in time, and keys end in time, with a clock that is %s', async (name, days) => {
    const { fathom } = stage;
    const email = `clock-${name}@example.com`;
    const { user } = await signUp(fathom.url, email);
    const page = await stage.open();
    await page.clock.install({ time: Date.now() + days * DAY_MS });
    await page.reload();
    const renewals: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/auth/refresh')) renewals.push(request.url());
    });
    await signInAt(page, email);
    await phaseShown(page, 'running');
    await page.clock.runFor(3 * 60_000);
    await page.getByRole('link', { name: 'API keys' }).click();
    await page.getByLabel('Name').fill('for a month');
    await page.getByRole('button', { name: 'Create the key' }).click();
    await page.getByText('Copy it now').waitFor();
    expect(renewals).toEqual([]);
    const { items } = await fathom.client.apiKeys.list({ user_id: user.id });
    const endsInMs = Date.parse(items[0]?.expires_at ?? '') - Date.now();
    expect(Math.abs(endsInMs - 30 * DAY_MS)).toBeLessThan(10 * 60_000);

    await page.getByRole('button', { name: /^Revoke the key/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke the key' }).click();
    await page.getByText('You have no keys.').waitFor();
    expect(await page.getByText('Copy it now').count()).toBe(0);

    await Promise.all([page.waitForRequest(/auth\/refresh$/), page.clock.fastForward(13 * 3_600_000)]);
  });

  it('loads again what it could not load while the connection was lost', async () => {
    await signUp(stage.fathom.url, 'offline@example.com');
    const page = await stage.open();
    await signInAt(page, 'offline@example.com');
    await page.context().setOffline(true);
    await page.getByRole('link', { name: 'API keys' }).click();
    await page.getByText('The server does not answer.').waitFor();
    await page.context().setOffline(false);
    await page.getByText('You have no keys.').waitFor();
    expect(await page.getByText('The server does not answer.').count()).toBe(0);
  });

  it('works with the keyboard alone', async () => {
    await signUp(stage.fathom.url, 'keys@example.com');
    const page = await stage.open();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const focused = () =>
      page.evaluate<string>('document.activeElement.name || document.activeElement.innerText');
    expect(await focused()).toBe('Sign in');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('email');
    await page.keyboard.type('keys@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await phaseShown(page, 'running');
    expect(await focused()).toBe('My database');
    await page.getByRole('link', { name: 'Quick start' }).press('Enter');
    await page.getByRole('heading', { name: 'Quick start' }).waitFor();
    expect(await focused()).toBe('Quick start');
    await page.getByRole('tab', { name: 'JavaScript' }).press('ArrowLeft');
    expect(await focused()).toBe('Dart');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    // The example scrolls with the keyboard.
    expect(await page.evaluate<string>('document.activeElement.tagName')).toBe('PRE');
  });

  it.each(['#/<img src=x onerror=alert(1)>', '#javascript:alert(1)', '#/__proto__', '#/constructor'])(
    'runs nothing from the address %s',
    async (fragment) => {
      const page = await stage.open(fragment);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.evaluate(
        `sessionStorage.setItem('fathom.session', '{"token":"x","user":{"email":"<img src=x onerror=alert(1)>"}}')`,
      );
      await page.reload();
      await page.getByText('Your session has ended.').waitFor();
      expect(await page.locator('img').count()).toBe(0);
    },
  );
});
