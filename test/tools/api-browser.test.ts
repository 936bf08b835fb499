import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../shared/api/resources.ts';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { type Deployment, startedDeployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';

/** Runs in the page. */
async function callApi({
  url,
  ...request
}: {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: string | null;
}) {
  const answer = await fetch(url, request);
  const text = await answer.text();
  return {
    status: answer.status,
    code: text === '' ? null : (JSON.parse(text) as { code?: string }).code,
    requestId: answer.headers.get('x-request-id'),
    allow: answer.headers.get('allow'),
  };
}

describe.skipIf(!hasChromium)('the API in Chromium', () => {
  /** An application that is served from elsewhere. */
  const application = createServer((_, response) =>
    response.setHeader('content-type', 'text/html').end('app'),
  );
  let origin: string;
  let fathom: Deployment;
  let admin: string;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    origin = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
    ({ fathom, admin } = await startedDeployment({ CORS_ORIGINS: origin }));
    browser = await launchChromium();
    page = await browser.newPage();
  });

  afterAll(async () => {
    await browser.close();
    application.close();
    await fathom.dispose();
  });

  it('/docs shows every operation, with nothing from elsewhere', async () => {
    const origins = new Set<string>();
    const problems: string[] = [];
    page.on('request', (request) => {
      const { protocol, origin: asked } = new URL(request.url());
      if (protocol !== 'data:') origins.add(asked);
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));

    await page.goto(`${fathom.url}/docs#/Sign-in/login`);
    // The address opens an operation, which sends requests, too.
    const opened = page.locator('.opblock.is-open');
    await opened.getByText('application/problem+json').first().waitFor({ state: 'attached' });
    expect(problems).toEqual([]);
    await opened.getByRole('button', { name: 'Try it out' }).click();
    await opened.getByRole('button', { name: 'Execute' }).click();
    const status = opened.locator('.live-responses-table tbody .response-col_status');
    expect(await status.first().innerText()).toMatch(/^401/);
    const shown = new Set<string>();
    await until(
      async () => {
        // Only operations that are in view are in the page.
        for (const one of await page.locator('.opblock-summary-control').allInnerTexts()) shown.add(one);
        await page.mouse.wheel(0, 500);
        return shown.size === ENDPOINTS.length;
      },
      { what: () => `every operation; ${shown.size} of ${ENDPOINTS.length} were shown` },
    );
    await page.close();
    expect([...origins]).toEqual([fathom.url]);
  });

  it('an application of another origin uses every method, and reads what it needs of the answers', async () => {
    page = await browser.newPage();
    const call = (method: string, path: string, body?: object) =>
      page.evaluate(callApi, {
        url: fathom.url + path,
        method,
        headers: {
          authorization: `Bearer ${admin}`,
          'content-type': 'application/json',
          'fathom-role': 'admin',
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
    await page.goto(origin);
    const schedule = '/api/v1/queue/schedules/nightly';
    const task = { type: 'http.request', payload: {} };
    expect(await call('PUT', schedule, { cron: '0 2 * * *', task })).toMatchObject({ status: 200 });
    expect(await call('DELETE', schedule)).toMatchObject({ status: 204 });
    expect(await call('POST', '/api/v1/queue/pause')).toMatchObject({ status: 200 });
    expect(await call('PATCH', '/api/v1/users/nobody000000000', { is_active: false })).toMatchObject({
      status: 404,
      code: 'not_found',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(await call('PUT', '/api/v1/users')).toMatchObject({
      status: 405,
      allow: 'GET, HEAD, OPTIONS, POST',
    });
    // Of an origin that is not on the list, nothing gets through.
    await page.goto(`${fathom.globalUrl}/api/health`);
    await expect(call('GET', '/health')).rejects.toThrow('Failed to fetch');
  });
});
