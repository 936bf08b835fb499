import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { type Answer, call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';
import { expectAccessible, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

const records = ({ database }: Session, body?: object): Promise<Answer<{ totalItems: number }>> =>
  call(body ? 'POST' : 'GET', `${database.url}/api/collections/documents/records`, {
    headers: { authorization: database.token },
    ...(body && { body }),
  });

async function shownToken(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Show the token', pressed: false }).click();
  await page.getByRole('button', { name: 'Show the token', pressed: true }).waitFor();
  return /save\('([^']+)'\)/.exec(await page.locator('pre').innerText())?.[1] ?? '';
}

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

  it('shows in a tab that was loaded again how a restore ended, and what others do', async () => {
    const { fathom } = stage;
    const email = 'reload@example.com';
    const owner = await signUp(fathom.url, email);
    const { name } = owner.database;
    const { id } = await fathom.client.backups.create(name);
    await records(owner, { title: 'after' });
    const page = await stage.open('#/backups');
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: /^Restore the backup of/ }).click();
    await restore(page, name);
    const state = async () => (await fathom.client.backups.list({ database: name })).items[0];
    await until(async () => (await state())?.restore ?? (await state())?.last_restore, { what: 'a restore' });
    await page.reload();
    await page.getByText('Restored: ').waitFor();
    await fathom.client.backups.create(name);
    await page
      .getByRole('button', { name: /^Restore the backup of/ })
      .nth(1)
      .waitFor();
    await expectAccessible(page);

    await expect(fathom.client.backups.restore(name, `${id}x`)).rejects.toMatchObject({ status: 404 });
    await page.reload();
    await page.getByText(/^The restore of .* failed: There is no backup/).waitFor();
    await expectAccessible(page);
    expect((await state())?.last_restore).toMatchObject({ backup: `${id}x`, problem: { code: 'not_found' } });
  });

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
    // The tokens of before have ended: they read an empty list. The page shows one that works.
    expect((await records(owner)).body.totalItems).toBe(0);
    await page.getByRole('link', { name: 'Quick start' }).click();
    const token = await shownToken(page);
    expect((await records({ ...owner, database: { ...owner.database, token } })).body.totalItems).toBe(1);
  });
});
