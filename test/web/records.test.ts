import PocketBase from 'pocketbase';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { call, type Session, signUp } from '../helpers/http-call.ts';
import { asSuperuser } from '../helpers/instance-superuser.ts';
import { until } from '../helpers/until.ts';
import { expectAccessible, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

const MARKUP = '<img src=x onerror=alert(1)>';
const LONG = `${'long text '.repeat(200)}the end`;

function clientOf({ database }: Session): PocketBase {
  const client = new PocketBase(database.url);
  client.authStore.save(database.token);
  client.autoCancellation(false);
  return client;
}

describe.skipIf(!hasChromium)('the records on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage();
  });

  afterAll(() => stage.dispose());

  /** Adds a collection with the fields of most kinds, and a record with hostile values. */
  async function addNotes(owner: Session): Promise<void> {
    const row = (await databaseRows(stage.fathom)).find(({ name }) => name === owner.database.name);
    if (!row) throw new Error('there is no row');
    const superuser = await asSuperuser(stage.fathom, row);
    const users = await superuser.collections.getOne('users');
    await superuser.collections.create({
      name: 'notes',
      type: 'base',
      fields: [
        { type: 'text', name: 'title' },
        { type: 'editor', name: 'body' },
        { type: 'url', name: 'link' },
        { type: 'json', name: 'data' },
        { type: 'file', name: 'files', maxSelect: 3 },
        { type: 'relation', name: 'author', collectionId: users.id, maxSelect: 1 },
        { type: 'bool', name: 'is_done' },
        { type: 'text', name: 'note', hidden: true },
        { type: 'text', name: 'unused' },
      ],
    });
    await superuser.collections.create({
      name: 'empty',
      type: 'base',
      fields: [{ type: 'text', name: 'a' }],
    });
    await superuser.collection('notes').create({
      title: MARKUP,
      body: `<script>alert(2)</script>${LONG}`,
      link: 'https://example.com/?q=javascript:alert(3)',
      data: { markup: MARKUP, deep: [{ list: [1, 2] }] },
      files: [new File(['x'], `${MARKUP}.svg`)],
      author: owner.user.id,
      is_done: true,
      note: 'a hidden note',
    });
  }

  it.each(SIZES)('shows collections, pages and values, without running any of them ($size)', async (size) => {
    const email = `records-${size.size}@example.com`;
    const owner = await signUp(stage.fathom.url, email);
    await addNotes(owner);
    const documents = clientOf(owner).collection('documents');
    await documents.create({ title: 'title 0' });
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => documents.create({ title: `title ${index + 1}` })),
    );
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'My records' }).press('Enter');
    await page.getByText('21 records').waitFor();
    await page.getByText('1 record, accounts').waitFor();
    expect(await page.locator('main .list a').allInnerTexts()).toEqual([
      'documents',
      'empty',
      'notes',
      'users',
    ]);
    await expectAccessible(page);

    await page.getByRole('link', { name: 'empty' }).click();
    await page.getByText('0 records').waitFor();
    await expectAccessible(page);
    await page.getByRole('link', { name: 'All collections' }).click();

    await page.getByRole('link', { name: 'documents' }).press('Enter');
    await page.locator('summary', { hasText: 'title 20' }).waitFor();
    expect(await page.locator('.list details').count()).toBe(20);
    await page.getByRole('link', { name: 'Next page' }).press('Enter');
    await page.getByRole('heading', { name: 'Records of documents, page 2' }).waitFor();
    await page.locator('summary', { hasText: 'title 0' }).waitFor();
    expect(await page.evaluate<string>('document.activeElement.tagName')).toBe('H1');
    await expectAccessible(page);
    await page.goBack();
    await page.locator('summary', { hasText: 'title 20' }).waitFor();

    await page.getByText('Search and sort').click();
    await page.getByLabel('Part of a text').fill('TITLE 1');
    await page.getByLabel('Order').selectOption('title');
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('11 records', { exact: true }).waitFor();
    const records = page.locator('.list details');
    expect(await records.first().innerText()).toMatch(/title 1$/);
    expect(await records.last().innerText()).toMatch(/title 19$/);
    await page.reload();
    await page.getByText('11 records', { exact: true }).waitFor();
    await expectAccessible(page);
    await page.getByLabel('Part of a text').fill(`' || id != '" ${MARKUP} 100% /?#`);
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('0 records').waitFor();
    await expectAccessible(page);

    await page.goto(`${stage.fathom.url}/#/records/notes`);
    await page.locator('.list summary').press('Enter');
    await page.locator('.list summary').waitFor();
    const orders = await page.evaluate<string[]>(
      "[...document.querySelectorAll('select[name=sort] option')].map(({ value }) => value)",
    );
    expect(orders).toContain('-title');
    expect(orders).not.toContain('note');
    const record = page.locator('.list details');
    await record.getByText('author (relation)').waitFor();
    const text = await record.innerText();
    for (const part of [MARKUP, '<script>alert(2)</script>', owner.user.id, '"list": [', 'true', 'empty'])
      expect(text).toContain(part);
    expect(text).toMatch(/files \(file\)\s+\S+\.svg/);
    expect(text).toMatch(/note \(text\)\s+not shown/);
    expect(text).not.toContain('a hidden note');
    expect(text).not.toContain('the end');
    await expectAccessible(page);
    await record.getByRole('button', { name: /^Show all 2,\d+ characters$/ }).click();
    expect(await record.innerText()).toContain('the end');
    await record.getByRole('button', { name: 'Show less' }).click();
    expect(await page.locator('main img, main script, main svg, main iframe').count()).toBe(0);
    // Values are no links.
    expect(await record.locator('a').count()).toBe(0);

    await page.goto(`${stage.fathom.url}/#/records/users`);
    await page.locator('.list summary').click();
    expect(await page.locator('.list details').innerText()).not.toMatch(/tokenKey|password/);
  });

  it('answers addresses of nothing without a failure', async () => {
    const page = await stage.open();
    await signUp(stage.fathom.url, 'addresses@example.com');
    await signInAt(page, 'addresses@example.com');
    for (const part of ['_superusers', '..', 'nothing', 'documents/0', 'documents/1e3', '%00', '__proto__']) {
      await page.goto(`${stage.fathom.url}/#/records/${part}`);
      await page.getByText('There is no such collection').waitFor();
      await page.getByRole('link', { name: 'My database' }).click();
      await page.getByText('There is no such collection').waitFor({ state: 'detached' });
    }
    await page.goto(`${stage.fathom.url}/#/records/documents/99`);
    await page.getByText('0 records').waitFor();
    await page.goto(`${stage.fathom.url}/#/keys/documents`);
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  });

  it('wakes a database that sleeps, and says why one that is stopped cannot be read', async () => {
    const { fathom } = stage;
    const owner = await signUp(fathom.url, 'asleep@example.com');
    const { name } = owner.database;
    const page = await stage.open();
    await signInAt(page, 'asleep@example.com');
    await until(
      () =>
        fathom.client.databases.sleep(name, { force: true }).then(
          () => true,
          () => false,
        ),
      { what: 'the database to sleep' },
    );
    await page.locator('[data-phase=asleep]').waitFor();
    await page.getByRole('link', { name: 'My records' }).click();
    await page.getByText('0 records').waitFor();

    await call('POST', `${fathom.url}/api/v1/databases/${name}/stop`, { token: owner.token });
    await page.getByRole('link', { name: 'documents' }).click();
    await page.getByText(/does not run now \(stopped\)/).waitFor();
    await expectAccessible(page);
    await page.reload();
    await page.getByText(/does not run now \(stopped\)/).waitFor();
    await expectAccessible(page);
    await call('POST', `${fathom.url}/api/v1/databases/${name}/start`, { token: owner.token });
    await page.getByText('0 records').waitFor();
  });

  it('shows large records one at a time', async () => {
    const owner = await signUp(stage.fathom.url, 'large@example.com');
    const documents = clientOf(owner).collection('documents');
    for (const letter of 'abc') await documents.create({ title: letter, data: letter.repeat(900_000) });
    const page = await stage.open('', SIZES[0]);
    await signInAt(page, 'large@example.com');
    await page.goto(`${stage.fathom.url}/#/records/documents`);
    await page
      .getByText(/have more than 2 MiB/)
      .first()
      .waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Show one record at a time' }).click();
    await page.getByText('Page 1 of 3').waitFor();
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.getByText('Page 2 of 3').waitFor();
    await page.locator('.list summary').click();
    await page.getByRole('button', { name: 'Show all 900,000 characters' }).click();
    await page.getByRole('button', { name: 'Show less' }).waitFor();
  });
});
