import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { behindEdge, DOMAIN, EDGES_HERE } from '../helpers/edge.ts';
import { expectAccessible, fillSignUp, phaseShown } from './web-stage.ts';

const API = `api.${DOMAIN}`;

describe.skipIf(!hasChromium)('the page of owners behind a reverse proxy', () => {
  let fathom: Deployment;

  beforeAll(async () => {
    fathom = await createDeployment(behindEdge());
    await fathom.start();
  });

  afterAll(() => fathom.dispose());

  it.each(['nginx', 'caddy'] as const)(
    'signs up over TLS and shows the database live (%s)',
    async (program) => {
      const { isHere, start } = EDGES_HERE[program];
      if (!isHere) return console.log(`SKIPPED the page behind ${program}: it is not installed`);
      const edge = await start(fathom);
      const browser = await launchChromium([`--host-resolver-rules=MAP ${API} 127.0.0.1`]);
      try {
        const page = await browser.newPage({ ignoreHTTPSErrors: true });
        const answer = await page.goto(`https://${API}:${edge.port}/#/sign-up`);
        expect(answer?.headers()).toMatchObject({
          'cache-control': 'no-cache',
          'content-encoding': 'br',
          'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
          'referrer-policy': 'no-referrer',
        });
        await fillSignUp(page, `${program}@example.com`);
        await phaseShown(page, 'running');
        await page.getByText(new RegExp(`^https://.*-${program}\\.db\\.${DOMAIN}$`)).waitFor();
        const since = await page.locator('[data-phase=running] time').getAttribute('datetime');
        await page.getByRole('button', { name: 'Restart' }).click();
        await page.locator(`[data-phase=running] time:not([datetime="${since}"])`).waitFor();
        await expectAccessible(page);
      } finally {
        await browser.close();
        await edge.stop();
      }
    },
  );
});
