import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import {
  expectAccessible,
  phaseShown,
  SIZES,
  type Size,
  signInAt,
  type WebStage,
  webStage,
} from './web-stage.ts';

const MARKUP = '<img src=x onerror=alert(1)>';

describe.skipIf(!hasChromium)('administrators on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage();
  });

  afterAll(() => stage.dispose());

  async function signedIn(size?: Size): Promise<Page> {
    const { email, password } = stage.fathom.admin;
    const page = await stage.open('', size);
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    return page;
  }

  it.each(SIZES)('see the pages of a user, without a way to change anything ($size)', async (size) => {
    const { fathom } = stage;
    const email = `seen-${size.size}@example.com`;
    const body = { email, password: PASSWORD, name: MARKUP };
    const registered = await call<Session>('POST', `${fathom.url}/api/v1/auth/register`, { body });
    const { database, user } = registered.body;
    await fathom.client.queue.add({ type: 'database.vacuum', user_id: user.id });
    await fathom.client.backups.create(database.name);
    const page = await signedIn(size);
    await expectAccessible(page);
    await page.getByLabel('Part of the e-mail address or name').fill(`seen-${size.size}`);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByText('1 user', { exact: true }).waitFor();
    await page.getByText(MARKUP).waitFor();
    await expectAccessible(page);
    await page.getByRole('link', { name: email }).click();
    const banner = page.getByRole('complementary', { name: 'Whose pages these are' });
    await phaseShown(page, 'running');
    await expectAccessible(page);

    const navigation = page.getByRole('navigation', { name: 'Screens of the user' });
    for (const [link, content] of [
      ['Database', 'It answers requests at its URL.'],
      ['Records', 'documents'],
      ['Log', 'What the database prints'],
      ['Tasks', 'database.vacuum'],
      ['Backups', 'Backed up as of'],
    ] as const) {
      await navigation.getByRole('link', { name: link }).click();
      await page.getByRole('heading', { name: link, exact: true }).waitFor();
      await page.getByText(content).first().waitFor();
      await banner.getByText(email).waitFor();
      await expectAccessible(page);
      expect(await page.locator('main button:not([aria-label^="Copy"])').count()).toBe(0);
    }
    await navigation.getByRole('link', { name: 'Records' }).click();
    await page.getByRole('link', { name: 'documents' }).click();
    await page.getByRole('heading', { name: 'Records of documents' }).waitFor();
    await page.reload();
    await page.getByText('0 records').waitFor();
    await banner.getByRole('link', { name: 'All users' }).click();
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
  });

  it('have a session that the server does not let write', async () => {
    const { fathom } = stage;
    const { database, user } = await signUp(fathom.url, 'kept@example.com');
    const page = await signedIn();
    const token = await page.evaluate<string>("JSON.parse(sessionStorage.getItem('fathom.session')).token");
    const of = `/api/v1/databases/${database.name}`;
    const writes = [
      ['POST', `${of}/restart`, undefined],
      ['POST', `${of}/backups`, {}],
      ['PATCH', of, { access: 'developer' }],
      ['DELETE', of, undefined],
      ['PATCH', `/api/v1/users/${user.id}`, { role: 'admin' }],
      ['DELETE', `/api/v1/users/${user.id}`, undefined],
      ['POST', '/api/v1/queue/tasks', { type: 'database.vacuum', user_id: user.id }],
    ] as const;
    for (const [method, path, body] of writes)
      for (const headers of [{}, { 'fathom-role': 'admin' }])
        expect([path, (await call(method, fathom.url + path, { token, body, headers })).status]).toEqual([
          path,
          403,
        ]);
    expect((await call('GET', fathom.url + of, { token })).status).toBe(200);
  });

  it('see what does not exist, and a user sees no other user', async () => {
    const { fathom } = stage;
    const page = await signedIn();
    for (const id of ['0123456789abcde', '..', encodeURIComponent(MARKUP)]) {
      await page.goto(`${fathom.url}/#/users/${id}`);
      await page.getByRole('heading', { name: 'There is no such user' }).waitFor();
      await page.getByRole('link', { name: 'All users' }).click();
      await page.getByRole('heading', { name: 'Users' }).waitFor();
    }
    await page.goto(`${fathom.url}/#/find/%E0%A4%A/x`);
    await page.getByText('0 users').waitFor();

    const other = await signUp(fathom.url, 'other@example.com');
    const { token } = await signUp(fathom.url, 'curious@example.com');
    expect((await call('GET', `${fathom.url}/api/v1/users/${other.user.id}`, { token })).status).toBe(403);
    const own = await stage.open();
    await signInAt(own, 'curious@example.com');
    await own.goto(`${fathom.url}/#/users/${other.user.id}`);
    await own.getByRole('heading', { name: 'There is no such page' }).waitFor();
  });
});
