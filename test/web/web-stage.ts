import axe, { type AxeResults } from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expect } from 'vitest';
import { launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment, SERVE } from '../helpers/deployment.ts';
import { PASSWORD } from '../helpers/http-call.ts';

/** The sizes that every screen is checked at, each in one of the colour schemes. */
export const SIZES = [
  { size: 'phone', viewport: { width: 360, height: 740 }, colorScheme: 'light' },
  { size: 'desktop', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' },
] as const;

export type Size = (typeof SIZES)[number];

/** A daemon with the page of owners, and a browser. */
export interface WebStage {
  fathom: Deployment;
  browser: Browser;
  /** Opens the page in a browser context of its own. @param path like `#/sign-up` */
  open(path?: string, size?: Size): Promise<Page>;
  /** Fails if a page loaded something from elsewhere, broke its security policy, or ran an injected script. */
  dispose(): Promise<void>;
}

/** @param settingsOf settings that contain the address of the daemon */
export async function webStage(
  env: Record<string, string> = {},
  settingsOf: (url: string) => Record<string, string> | Promise<Record<string, string>> = () => ({}),
  /** Of other servers that the page leads to. */
  origins: string[] = [],
  command = SERVE,
): Promise<WebStage> {
  const fathom = await createDeployment(env);
  await fathom.start(await settingsOf(fathom.url), command);
  const browser = await launchChromium();
  const suspicious: string[] = [];
  const contexts: BrowserContext[] = [];
  return {
    fathom,
    browser,
    async open(path = '', size = SIZES[0]) {
      const { viewport, colorScheme } = size;
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' });
      contexts.push(context);
      const page = await context.newPage();
      watch(page, [fathom.url, ...origins], suspicious);
      await page.goto(`${fathom.url}/${path}`);
      return page;
    },
    async dispose() {
      for (const context of contexts) await context.close();
      await browser.close();
      await fathom.dispose();
      expect(suspicious).toEqual([]);
    },
  };
}

/** A failed request of the page is no violation: the browser writes one of these lines for each. */
const FAILED_REQUEST =
  /^Failed to load resource: the server responded with a status of \d+|: net::ERR_INTERNET_DISCONNECTED$/;

function watch(page: Page, [origin, ...others]: string[], suspicious: string[]): void {
  const isOther = (url: string) => others.some((other) => url.startsWith(`${other}/`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:') && !isOther(url)) suspicious.push(url);
  });
  page.on('console', (message) => {
    const isProblem = message.type() === 'error' || message.type() === 'warning';
    if (isProblem && !FAILED_REQUEST.test(message.text()) && !isOther(message.location().url))
      suspicious.push(message.text());
  });
  page.on('pageerror', ({ message }) => suspicious.push(message));
  page.on('dialog', (dialog) => {
    suspicious.push(dialog.message());
    void dialog.dismiss();
  });
}

/** WCAG 2.2 AA, as far as axe-core can check it; and nothing is wider than the screen. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  // A text, because the tests are compiled without the types of browsers.
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  expect(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])).toEqual([]);
  expect(
    await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth'),
  ).toBeLessThanOrEqual(0);
}

export async function fillSignUp(page: Page, email: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('heading', { name: 'My database' }).waitFor();
}

export async function signInAt(page: Page, email: string): Promise<void> {
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'My database' }).waitFor();
}

/** Waits until the screen shows the database in this phase. */
export function phaseShown(page: Page, phase: string): Promise<void> {
  return page.locator(`[data-phase=${phase}]`).waitFor();
}
