import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { type OpenIdProvider, openIdProvider } from '../helpers/openid-provider.ts';

const APP = join(import.meta.dirname, '..', 'fixtures', 'browser-app');
const SDK = join(import.meta.dirname, '..', '..', 'node_modules', 'pocketbase', 'dist', 'pocketbase.es.mjs');
const FILES: Readonly<Record<string, [type: string, path: string]>> = {
  '/': ['text/html', join(APP, 'index.html')],
  '/app.js': ['text/javascript', join(APP, 'app.js')],
  '/pocketbase.js': ['text/javascript', SDK],
};

/** Serves the application from an origin of its own. */
async function serveApp(): Promise<Server> {
  const server = createServer((request, response) => {
    const [type, path] = FILES[new URL(request.url ?? '', 'http://x').pathname] ?? [];
    if (type === undefined || path === undefined) {
      response.writeHead(404).end();
      return;
    }
    void readFile(path).then((body) => response.writeHead(200, { 'content-type': type }).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function outcome(page: Page): Promise<Record<string, unknown>> {
  const output = page.locator('output:not(:empty)');
  return JSON.parse((await output.textContent({ timeout: 60_000 })) ?? '') as Record<string, unknown>;
}

async function signInWithProvider(page: Page, login: string): Promise<Record<string, unknown>> {
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.click('#provider')]);
  await popup.fill('input[name=login]', login);
  await popup.fill('input[name=password]', 'anything');
  await popup.click('button[type=submit]');
  // Consent, when it is asked for.
  await popup.click('button[type=submit]');
  return outcome(page);
}

describe.skipIf(!hasChromium)('an application in a browser', () => {
  let fathom: Deployment;
  let provider: OpenIdProvider;
  let app: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    app = await serveApp();
    origin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
    fathom = await createDeployment({ CORS_ORIGINS: origin });
    provider = await openIdProvider([`${fathom.globalUrl}/api/oauth2-redirect`]);
    await fathom.start(provider.settings);
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    provider.close();
    app.close();
    await fathom.dispose();
  });

  /** A first visit: nothing is stored. */
  async function open(): Promise<Page> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(
      `${origin}/?${new URLSearchParams({ global: fathom.globalUrl, api: fathom.url }).toString()}`,
    );
    return page;
  }

  const USED = {
    title: 'from the browser',
    answer: 42,
    heard: 'from the browser',
    file: 'in the browser',
    owner: true,
    database: true,
  };
  const ENDED = { own: 401, global: 401, write: 400 };

  it('signs a person in by a provider, and works with their own database, until signed out everywhere', async () => {
    const page = await open();
    expect(await signInWithProvider(page, 'ann')).toEqual({ email: 'ann@example.com', ...USED });
    await page.click('#sign-out');
    expect(await outcome(page)).toEqual(ENDED);

    // In another browser, with the account and the database that are there.
    const other = await open();
    expect(await signInWithProvider(other, 'ann')).toMatchObject({ email: 'ann@example.com', ...USED });
    const { items } = await fathom.client.users.list({ email: 'ann@example.com' });
    expect(items).toHaveLength(1);
  });

  it('signs a person up with a password, and works with their own database, until signed out everywhere', async () => {
    const page = await open();
    await page.click('#password');
    expect(await outcome(page)).toEqual({ email: 'password@example.com', ...USED });
    await page.click('#sign-out');
    expect(await outcome(page)).toEqual(ENDED);
  });
});
