import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { behindEdge, DOMAIN, EDGES_HERE, jsonOf } from '../helpers/edge.ts';
import { PASSWORD, signUp } from '../helpers/fleet-actions.ts';
import { until } from '../helpers/until.ts';
import { signInAt } from './web-stage.ts';

const API = `api.${DOMAIN}`;

describe.skipIf(!hasChromium)("PocketBase's dashboard behind a reverse proxy", () => {
  let fathom: Deployment;

  beforeAll(async () => {
    fathom = await createDeployment(behindEdge());
    await fathom.start();
  });

  afterAll(() => fathom.dispose());

  it.each(['nginx', 'caddy'] as const)(
    'is open for the owner of a developer database, with the password of the account (%s)',
    async (program) => {
      const { isHere, start } = EDGES_HERE[program];
      if (!isHere) return console.log(`SKIPPED the dashboard behind ${program}: it is not installed`);
      const owner = await signUp(fathom, program);
      const host = `${owner.name}.db.${DOMAIN}`;
      const edge = await start(fathom);
      const port = `127.0.0.1:${edge.port}`;
      const browser = await launchChromium([
        `--host-resolver-rules=MAP ${API} 127.0.0.1, MAP ${host}:443 ${port}, MAP ${host} 127.0.0.1`,
      ]);
      try {
        expect((await edge.call(host, '/_/')).status).toBe(404);
        await fathom.client.databases.update(owner.name, { access: 'developer' });
        await until(async () => (await edge.call(host, '/_/')).status === 200, { what: 'the dashboard' });

        const owned = await browser.newPage({
          ignoreHTTPSErrors: true,
          viewport: { width: 1280, height: 800 },
        });
        await owned.goto(`https://${API}:${edge.port}/`);
        await signInAt(owned, owner.email);
        const [page] = await Promise.all([
          owned.waitForEvent('popup'),
          owned.getByRole('link', { name: 'Open the dashboard' }).click(),
        ]);
        expect(page.url()).toBe(`https://${host}/_/`);
        await page.locator('input[type=email], input[name=identity]').first().fill(owner.email);
        await page.locator('input[type=password]').fill(PASSWORD);
        await page.locator('input[type=password]').press('Enter');
        await page.getByText('documents').first().waitFor();
        await page.goto(`https://${host}/_/#/settings/mail`);
        await page.getByText('Mail settings').first().waitFor();

        // Not an address of the daemon.
        const from = '127.0.0.2';
        const signedIn = await edge.call(host, '/api/collections/_superusers/auth-with-password', {
          method: 'POST',
          body: JSON.stringify({ identity: owner.email, password: PASSWORD }),
          from,
        });
        const { token } = jsonOf(signedIn) as { token: string };
        const statusOf = async (path: string, method = 'GET') =>
          (await edge.call(host, path, { method, token, from })).status;
        expect(await statusOf('/api/settings')).toBe(200);
        expect(await statusOf('/api/backups')).toBe(403);
        expect(await statusOf('/api/sql', 'POST')).toBe(403);

        await fathom.client.databases.update(owner.name, { access: 'app' });
        await until(async () => (await edge.call(host, '/_/')).status === 404, { what: 'its end' });
      } finally {
        await browser.close();
        await edge.stop();
      }
    },
  );
});
