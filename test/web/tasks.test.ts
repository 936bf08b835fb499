import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from '../helpers/chromium.ts';
import { signUp } from '../helpers/http-call.ts';
import { finished, TEST_TASKS } from '../helpers/queue.ts';
import { expectAccessible, SIZES, signInAt, type WebStage, webStage } from './web-stage.ts';

const MARKUP = '<img src=x onerror=alert(1)>';

describe.skipIf(!hasChromium)('tasks on the page of owners', () => {
  let stage: WebStage;

  beforeAll(async () => {
    stage = await webStage({ FATHOM_TASKS_DIR: TEST_TASKS, WORKER_CONCURRENCY: '2' });
  });

  afterAll(() => stage.dispose());

  it.each(SIZES)('follows the tasks of the owner live ($size)', async (size) => {
    const { fathom } = stage;
    const { queue } = fathom.client;
    const email = `tasks-${size.size}@example.com`;
    const { user } = await signUp(fathom.url, email);
    const other = await signUp(fathom.url, `other-${size.size}@example.com`);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'Tasks' }).click();
    await page.getByText('You have no tasks.').waitFor();
    await expectAccessible(page);

    const gate = join(fathom.filesDir, `gate-${size.size}`);
    const payload = { gate, note: MARKUP };
    await queue.add({ type: 'gated', payload, user_id: user.id });
    await queue.add({ type: 'noop', user_id: other.user.id });
    const task = (type: string) => page.locator('.task', { hasText: type });
    await task('gated').getByText('Running').waitFor();
    await task('gated').getByRole('progressbar').waitFor();
    await expectAccessible(page);
    await task('gated').locator('summary').click();
    await task('gated').getByText(MARKUP).waitFor();
    await expectAccessible(page);
    await writeFile(gate, '');
    await task('gated').getByText('Done').waitFor();
    await task('gated').getByText('attempt 1 of').waitFor();

    const broken = await queue.add({
      type: 'misbehave',
      payload: { way: 'throws', text: MARKUP },
      user_id: user.id,
      max_attempts: 1,
    });
    await finished(fathom, broken.id);
    await task('misbehave').getByText('Failed for good').waitFor();
    await task('misbehave').getByText(MARKUP).first().waitFor();
    await expectAccessible(page);
    expect(await page.locator('.task').count()).toBe(2);
    expect(await page.locator('main img').count()).toBe(0);
    await page.goto(`${fathom.url}/#/tasks/7`);
    await page.getByText('There are none on this page.').waitFor();
    await page.goto(`${fathom.url}/#/tasks/0`);
    await page.getByRole('heading', { name: 'Tasks', exact: true }).waitFor();
  });

  it('shows 20 tasks on a page, and those that wait with their time', async () => {
    const { fathom } = stage;
    const { user } = await signUp(fathom.url, 'many@example.com');
    const run_at = '2099-01-01T00:00:00Z';
    for (let number = 0; number < 21; number++)
      await fathom.client.queue.add({ type: 'noop', user_id: user.id, run_at, payload: number });
    const page = await stage.open();
    await signInAt(page, 'many@example.com');
    await page.getByRole('link', { name: 'Tasks' }).click();
    await page.getByText('Page 1 of 2').waitFor();
    expect(await page.locator('.task').count()).toBe(20);
    await page.locator('.task', { hasText: 'not tried yet' }).first().waitFor();
    await page.getByRole('link', { name: 'Next page' }).click();
    await page.getByRole('heading', { name: 'Tasks, page 2' }).waitFor();
    await page.locator('.task').first().waitFor();
    expect(await page.locator('.task').count()).toBe(1);
  });
});

describe.skipIf(!hasChromium)('the form for tasks on the page of owners', () => {
  let stage: WebStage;

  const HANDLER = `import { existsSync } from 'node:fs';
    export default async ({ text, gate }, { database, progress }) => {
      progress(50, 'counting');
      while (gate && !existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 20));
      return { text, users: (await database.collection('users').getList()).totalItems };
    };`;
  const OWNERS = {
    title: 'Weekly report',
    description: `Counts your users. ${MARKUP}`,
    max_waiting: 2,
    payload: {
      type: 'object',
      properties: {
        text: { type: 'string', title: 'Text', pattern: '^[a-z ]+$', maxLength: 100 },
        days: { type: 'integer', title: 'Days', minimum: 1, maximum: 31, default: 7 },
        format: { enum: ['csv', 'json'], title: 'Format' },
        mail: { type: 'boolean', title: 'Send a mail', description: 'To your own address' },
        gate: { type: 'string' },
        tags: { type: 'array', items: { type: 'string' }, title: 'Tags' },
      },
      required: ['text', 'format'],
      additionalProperties: false,
    },
  };

  beforeAll(async () => {
    stage = await webStage({ WORKER_CONCURRENCY: '4' });
    const tasks = join(stage.fathom.dataDir, 'tasks');
    await mkdir(tasks, { recursive: true, mode: 0o750 });
    await writeFile(join(tasks, 'report.mjs'), HANDLER);
    await writeFile(join(tasks, 'report.json'), JSON.stringify({ owners: OWNERS }));
    await writeFile(join(tasks, 'closed.mjs'), HANDLER);
  });

  afterAll(() => stage.dispose());

  it.each(SIZES)('starts a task, shows its state live, and cancels it ($size)', async (size) => {
    const { fathom } = stage;
    const email = `runs-${size.size}@example.com`;
    const { user } = await signUp(fathom.url, email);
    const page = await stage.open('', size);
    await signInAt(page, email);
    await page.getByRole('link', { name: 'Tasks' }).click();
    const form = page.locator('section', { hasText: 'Start a task' });
    await form.locator('summary').click();
    expect(await form.locator('summary').allTextContents()).toEqual(['Weekly report']);
    await form.getByText(MARKUP).waitFor();
    expect(await form.getByLabel('Days').inputValue()).toBe('7');
    await expectAccessible(page);

    await form.getByLabel('Text').fill('NO');
    await form.getByRole('button', { name: 'Start' }).click();
    await form.locator('[aria-invalid=true]').waitFor();
    await expectAccessible(page);
    expect((await fathom.client.queue.list({ user_id: user.id })).total).toBe(0);

    const gate = join(fathom.filesDir, `run-${size.size}`);
    await form.getByLabel('Text').fill('every week');
    await form.getByLabel('Format').selectOption('json');
    await form.getByLabel('gate').fill(gate);
    await form.getByLabel('Tags').fill('[');
    await form.getByRole('button', { name: 'Start' }).click();
    await form.getByText('Is not JSON.').waitFor();
    await form.getByLabel('Tags').fill('["a"]');
    await form.getByRole('button', { name: 'Start' }).click();
    await form.getByText('The task is added.').waitFor();
    const task = page.locator('.task').first();
    await task.getByText('Running').waitFor();
    await task.getByText('counting').waitFor();
    await expectAccessible(page);
    await writeFile(gate, '');
    await task.getByText('Done').waitFor();
    const [added] = (await fathom.client.queue.list({ user_id: user.id })).items;
    expect(await fathom.client.queue.get(added?.id ?? '')).toMatchObject({
      by_owner: true,
      payload: { text: 'every week', days: 7, format: 'json', gate, tags: ['a'] },
      result: { text: 'every week', users: 1 },
    });

    await form.getByLabel('gate').fill('/nowhere');
    await form.getByRole('button', { name: 'Start' }).click();
    await page
      .locator('.task', { hasText: 'Running' })
      .getByRole('button', { name: 'Cancel report' })
      .click();
    await page.locator('.task', { hasText: 'Cancelled' }).waitFor();
    expect(await page.getByRole('button', { name: 'Cancel report' }).count()).toBe(0);
    await expectAccessible(page);
  });

  it('says that a limit is reached, and has no button for tasks of others', async () => {
    const { fathom } = stage;
    const { user } = await signUp(fathom.url, 'limited@example.com');
    await fathom.client.queue.pause();
    await fathom.client.queue.add({ type: 'closed', user_id: user.id, payload: {} });
    const page = await stage.open();
    await signInAt(page, 'limited@example.com');
    await page.getByRole('link', { name: 'Tasks' }).click();
    const form = page.locator('section', { hasText: 'Start a task' });
    await form.locator('summary').click();
    await form.getByLabel('Text').fill('many');
    for (const count of [2, 3]) {
      await form.getByRole('button', { name: 'Start' }).click();
      await page
        .locator('.task')
        .nth(count - 1)
        .waitFor();
    }
    await form.getByRole('button', { name: 'Start' }).click();
    await form.getByRole('alert').getByText('the limit is 2').waitFor();
    expect(await page.getByRole('button', { name: 'Cancel report' }).count()).toBe(2);
    expect(await page.getByRole('button', { name: 'Cancel closed' }).count()).toBe(0);
    await expectAccessible(page);
    await fathom.client.queue.resume();
  });

  it('is not there for an administrator, who looks at the page of a user', async () => {
    const { fathom } = stage;
    const { user } = await signUp(fathom.url, 'seen@example.com');
    const page = await stage.open();
    const { email, password } = fathom.admin;
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    await page.goto(`${fathom.url}/#/users/${user.id}/tasks`);
    await page.getByText('There are no tasks.').waitFor();
    expect(await page.getByText('Start a task').count()).toBe(0);
  });
});
