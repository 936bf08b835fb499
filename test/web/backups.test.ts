import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { type Answer, call, type Session, signUp } from '../helpers/http-call.ts';
import { expectAccessible, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

const records = ({ database }: Session, body?: object): Promise<Answer<{ totalItems: number }>> =>
  call(body ? 'POST' : 'GET', `${database.url}/api/collections/documents/records`, {
    headers: { authorization: database.token },
    ...(body && { body }),
  });

async function restore(page: Page, typed: string): Promise<void> {
  await page.getByLabel('Type the name of the database').fill(typed);
  await page.getByRole('button', { name: 'Restore the backup', exact: true }).click();
}

describe.skipIf(!hasChromium)('backups on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage();
  });

  afterAll(() => stage.dispose());

  it.each(SIZES)('makes one, downloads it, and restores it with the typed name ($size)', async (size) => {
    const email = `backups-${size.size}@example.com`;
    const owner = await signUp(stage.fathom.url, email);
    await records(owner, { title: 'before' });
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'Backups' }).click();
    await page.getByText('There are no backups yet.').waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Back up now' }).click();
    await page.getByText('The backup is made.').waitFor();
    await page.getByText('Backed up as of').waitFor();
    await expectAccessible(page);

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Download the backup/ }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(new RegExp(`^${owner.database.name}-.*\\.tar$`));
    const archive = await readFile(await download.path());
    expect(archive.toString('latin1')).toContain('SQLite format 3');

    await records(owner, { title: 'after' });
    expect((await records(owner)).body.totalItems).toBe(2);
    await page.getByRole('button', { name: /^Restore the backup of/ }).click();
    await expectAccessible(page);
    await restore(page, `${owner.database.name}x`);
    await page.getByText('Is not the name of the database.').waitFor();
    await expectAccessible(page);
    expect((await records(owner)).body.totalItems).toBe(2);
    await restore(page, owner.database.name);
    await page.getByText(/^The database is as it was at/).waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('Restore…');
    const { body } = await call<Session>('POST', `${stage.fathom.url}/api/v1/auth/login`, {
      body: { email, password: 'a-good-password' },
    });
    expect((await records(body)).body.totalItems).toBe(1);
  });
});
