import { writeFile } from 'node:fs/promises';
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
