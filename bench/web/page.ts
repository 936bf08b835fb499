import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { hasChromium, launchChromium } from '../../test/helpers/chromium.ts';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { median, ms, report } from '../measure.ts';

const ROUNDS = 15;
/** A phone of the middle class, compared with a desktop. */
const SLOWDOWN = 4;
const FIELD = 'input[name=email]';

/** The page has no state but the field: what a browser needs in any case. */
const BLANK = '<!doctype html><html lang="en"><title>Blank</title><form><input name="email"></form></html>';

/** Notes when the field of the sign-in is in the document, in the milliseconds of the navigation. */
const NOTE_FIELD = `
  new MutationObserver((_, observer) => {
    if (!document.querySelector('${FIELD}')) return;
    observer.disconnect();
    globalThis.fieldAt = performance.now();
  }).observe(document, { childList: true, subtree: true });
`;

/** How long the page of owners takes until one can type, with an empty cache and a slow processor, against a blank page. */
export async function benchPage(): Promise<boolean> {
  if (!hasChromium) return true;
  const fathom = await createDeployment();
  const bare = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(BLANK);
  });
  const browser = await launchChromium();
  try {
    await fathom.start();
    bare.listen(0, '127.0.0.1');
    await once(bare, 'listening');
    const bareUrl = `http://127.0.0.1:${(bare.address() as AddressInfo).port}/`;
    const ours: number[] = [];
    const floor: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await interactiveMs(browser, `${fathom.url}/`));
      floor.push(await interactiveMs(browser, bareUrl));
    }
    return report({
      name: 'page of owners',
      compares: `time until the sign-in can be filled in, with the processor ${SLOWDOWN} times slower: ours / a blank page`,
      value: median(ours) / median(floor),
      bar: 8,
      unit: '',
      details: `medians of ${ROUNDS} with an empty cache: ours ${ms(median(ours))}, blank ${ms(median(floor))}`,
    });
  } finally {
    await browser.close();
    bare.close();
    await fathom.dispose();
  }
}

/** A new context has an empty cache. */
async function interactiveMs(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: SLOWDOWN });
    await page.addInitScript(NOTE_FIELD);
    await page.goto(url);
    await page.locator(FIELD).waitFor();
    return await page.evaluate<number>('globalThis.fieldAt');
  } finally {
    await context.close();
  }
}
