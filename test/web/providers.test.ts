import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { type OpenIdProvider, openIdProvider } from '../helpers/openid-provider.ts';
import { expectAccessible, phaseShown, SIZES, type WebStage, webStage } from './web-stage.ts';

const MARKUP = '<img src=x onerror=alert(1)>';

describe.skipIf(!hasChromium)('sign-in providers on the page of owners', () => {
  let stage: WebStage;
  let provider: OpenIdProvider;
  // The pages of the provider ask for a font, which they do not get here.
  const origins = ['https://fonts.googleapis.com'];

  beforeAll(async () => {
    stage = await webStage(
      { OIDC_DISPLAY_NAME: MARKUP },
      async (url) => {
        provider = await openIdProvider([`${url}/`]);
        origins.push(new URL(provider.settings['OIDC_AUTH_URL'] ?? '').origin);
        return provider.settings;
      },
      origins,
    );
  });

  afterAll(async () => {
    await stage.dispose();
    provider.close();
  });

  it.each(SIZES)('signs up and in with OpenID Connect ($size)', async (size) => {
    const { fathom } = stage;
    for (const start of ['#/sign-up', '']) {
      const page = await stage.open(start, size);
      const button = page.getByRole('button', { name: `Continue with ${MARKUP}` });
      await button.waitFor();
      await expectAccessible(page);
      await button.press('Enter');
      await page.fill('input[name=login]', `ann-${size.size}`);
      await page.fill('input[name=password]', 'x');
      await page.click('button[type=submit]');
      await page.getByRole('button', { name: 'Continue' }).click();
      await phaseShown(page, 'running');
      await page.getByText(`ann-${size.size}@example.com`).waitFor();
      // Neither the code nor the state stays in the address.
      expect(page.url()).toMatch(new RegExp(`^${fathom.url}/(#/)?$`));
      expect(await page.evaluate<string | null>("sessionStorage.getItem('fathom.provider')")).toBeNull();
      await page.reload();
      await phaseShown(page, 'running');
    }
    const { items } = await fathom.client.users.list({ email: `ann-${size.size}@example.com` });
    expect(items).toHaveLength(1);
  });

  it('says that the sign-in was ended at the provider', async () => {
    const page = await stage.open();
    await page.getByRole('button', { name: /^Continue with/ }).click();
    await page.getByRole('link', { name: /Cancel/ }).click();
    await page.getByText('You ended the sign-in at the provider.').waitFor();
    await expectAccessible(page);
  });

  it('accepts no answer that this tab did not ask for', async () => {
    const page = await stage.open();
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'POST') sent.push(request.url());
    });
    for (const query of ['code=stolen&state=other', 'state=', 'error=access_denied&state=x']) {
      await page.goto(`${stage.fathom.url}/?${query}`);
      await page.getByText('This sign-in was not begun in this tab.').waitFor();
      expect(page.url()).toBe(`${stage.fathom.url}/`);
    }
    await page.evaluate(`sessionStorage.setItem('fathom.provider', '{"state":1}')`);
    await page.goto(`${stage.fathom.url}/?code=stolen&state=1`);
    await page.getByText('This sign-in was not begun in this tab.').waitFor();
    expect(sent).toEqual([]);
  });

  it('leads nowhere else', async () => {
    const page = await stage.open();
    for (const address of [
      '?redirect=https://evil.example.com/',
      '?next=//evil.example.com',
      '?redirect_uri=https://evil.example.com/&code=x',
      '#//evil.example.com/',
      '#https://evil.example.com/',
      '?state=x&code=y&redirect_uri=https://evil.example.com/#//evil.example.com/',
    ]) {
      await page.goto('about:blank');
      await page.goto(`${stage.fathom.url}/${address}`);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      expect(new URL(page.url()).origin).toBe(stage.fathom.url);
      expect(await page.locator('a[href*=evil]').count()).toBe(0);
    }
  });
});
