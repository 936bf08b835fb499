import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { signUp, untilInstance } from '../helpers/fleet-actions.ts';
import { countedNames, INACTIVE, passDays } from '../helpers/inactivity.ts';
import { type MailServer, mailServer } from '../helpers/mail-server.ts';
import { until } from '../helpers/until.ts';
import { expectAccessible, phaseShown, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

describe.skipIf(!hasChromium)('a database that is archived, on the page of owners', () => {
  let stage: WebStage;
  let mails: MailServer;

  beforeAll(async () => {
    mails = await mailServer();
    stage = await webStage({ ...INACTIVE, ...mails.settings }, undefined, [], SCRIPTED);
  });

  afterAll(async () => {
    await stage.dispose();
    await mails.close();
  });

  it.each(SIZES)('says when it is archived, and keeps it ($size)', async (size) => {
    const { fathom } = stage;
    const { email, name } = await signUp(fathom, size.size);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await phaseShown(page, 'asleep');
    await until(() => countedNames(fathom).includes(name), { what: `${name} to be counted` });
    passDays(fathom, 84);
    await mails.mailTo(email);
    const archiveAt = await until(async () => (await fathom.client.usage.get(name)).archive_at, {
      what: 'the day',
    });
    await page.reload();
    const day = archiveAt.slice(0, 10);
    await page.getByText('The database is not used.').locator(`time[datetime^="${day}"]`).waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Keep it as it is' }).click();
    await page.getByText('The database is not used.').waitFor({ state: 'detached' });
    expect((await fathom.client.usage.get(name)).archive_at).toBeNull();
  });

  it.each(SIZES)('says that nothing is lost, also while its backup is away ($size)', async (size) => {
    const { fathom } = stage;
    const { email, name } = await signUp(fathom, `away-${size.size}`);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');
    await fathom.client.databases.archive(name);
    await page.getByText('The next request brings it back, and takes longer.').waitFor();
    await expectAccessible(page);
    const target = join(fathom.dataDir, 'backups');
    await rename(target, `${target}-away`);
    await page.getByRole('button', { name: 'Wake' }).click();
    await page.getByText('Reason: Archived, and its backup cannot be read. Nothing is lost.').waitFor();
    await expectAccessible(page);
    await rename(`${target}-away`, target);
    await phaseShown(page, 'running');
  });
});
