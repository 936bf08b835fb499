import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { PASSWORD, signUp } from '../helpers/fleet-actions.ts';
import { expectAccessible, phaseShown, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

describe.skipIf(!hasChromium)('a developer database on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage();
  });

  afterAll(() => stage.dispose());

  it.each(SIZES)('leads its owner to the dashboard of PocketBase ($size)', async (size) => {
    const { fathom } = stage;
    const { databases } = fathom.client;
    const { email, name } = await signUp(fathom, size.size);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await phaseShown(page, 'running');
    const section = page.getByRole('region', { name: 'Dashboard of PocketBase' });
    expect(await section.count()).toBe(0);

    await databases.update(name, { access: 'developer' });
    const link = section.getByRole('link', { name: 'Open the dashboard' });
    await link.waitFor();
    await phaseShown(page, 'running');
    await expectAccessible(page);
    const { url } = await databases.get(name);
    const [dashboard] = await Promise.all([page.waitForEvent('popup'), link.click()]);
    expect(dashboard.url()).toBe(`${url}/_/`);
    expect(await dashboard.evaluate<boolean>('window.opener === null')).toBe(true);
    await dashboard.locator('input[type=email], input[name=identity]').first().fill(email);
    await dashboard.locator('input[type=password]').fill(PASSWORD);
    await dashboard.locator('input[type=password]').press('Enter');
    await dashboard.getByText('documents').first().waitFor({ state: 'attached' });

    await databases.stop(name);
    await section.getByText('It opens while the database runs.').waitFor();
    await expectAccessible(page);
    await databases.update(name, { access: 'app' });
    await section.waitFor({ state: 'detached' });
  });
});
