import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { untilInstance, untilReplaced } from '../helpers/fleet-actions.ts';
import { signUp } from '../helpers/http-call.ts';
import { expectAccessible, phaseShown, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

describe.skipIf(!hasChromium)('the log and the last day on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage();
  });

  afterAll(() => stage.dispose());

  it.each(SIZES)('follows the log of the database ($size)', async (size) => {
    const { fathom } = stage;
    const email = `log-${size.size}@example.com`;
    const owner = await signUp(fathom.url, email);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'Log', exact: true }).press('Enter');
    const started = page.getByRole('log').getByText('Server started at');
    await started.waitFor();
    await expectAccessible(page);
    const before = await untilInstance(
      fathom,
      owner.database.name,
      ({ phase }) => phase === 'running',
      'to run',
    );
    await fathom.client.databases.restart(owner.database.name);
    await untilReplaced(fathom, before);
    await started.nth(1).waitFor();
    await expectAccessible(page);
    // The end of the log is in view.
    expect(
      await page.evaluate<number>(
        "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)(document.querySelector('[role=log]'))",
      ),
    ).toBeLessThan(2);
    // Another screen and back: it is asked for again.
    await page.getByRole('link', { name: 'My database' }).click();
    await phaseShown(page, 'running');
    await page.getByRole('link', { name: 'Log', exact: true }).click();
    await started.nth(1).waitFor();
  });

  it.each(SIZES)('draws the usage of the last day ($size)', async (size) => {
    const email = `day-${size.size}@example.com`;
    await signUp(stage.fathom.url, email);
    const page = await stage.open('', size);
    // A day does not pass in a test: the response gets further hours.
    await page.route('**/usage', async (route) => {
      const response = await route.fetch();
      const usage = (await response.json()) as object;
      const hours = [3, 2, 1].map((hour) => ({
        at: new Date(Date.now() - hour * 3_600_000).toISOString(),
        disk_bytes: (10 - hour) * 1024 * 1024,
        memory_bytes: hour === 2 ? null : hour * 1024 * 1024,
        cpu_percent: null,
      }));
      await route.fulfill({ response, json: { ...usage, hours } });
    });
    await signInAt(page, email);
    await page.getByText('Disk in the last day: 7 MiB to 9 MiB').waitFor();
    await page.getByText('Memory in the last day: 1 MiB to 3 MiB').waitFor();
    expect(await page.locator('polyline').first().getAttribute('points')).toBe('0,40 120,20 240,0');
    await expectAccessible(page);
  });
});
