import { expect, it } from 'vitest';
import { ENDPOINTS } from '../../shared/api/endpoints.ts';
import { CHROMIUM, openPage } from '../helpers/chromium.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment();

it.skipIf(CHROMIUM === null)(
  '/docs shows every operation in Chromium, with nothing from elsewhere',
  async () => {
    const { fathom } = shared;
    const page = await openPage();
    try {
      await page.goTo(`${fathom.url}/docs#/Sign-in/login`);
      const shown = () => page.evaluate<number>("document.querySelectorAll('.opblock').length");
      await until(async () => (await shown()) === ENDPOINTS.length, { what: 'every operation to be shown' });
      // The address opens an operation.
      const opened = () =>
        page.evaluate<string>("document.querySelector('.opblock.is-open')?.innerText ?? ''");
      await until(async () => (await opened()).includes('auth.failed'), { what: 'the operation to be open' });
      expect(await opened()).toContain('application/problem+json');

      // It sends requests, too.
      await page.evaluate("document.querySelector('.opblock.is-open .try-out__btn').click()");
      const sends = "document.querySelector('.opblock.is-open .execute')";
      await until(() => page.evaluate<boolean>(`${sends} !== null`), { what: 'the button that sends' });
      await page.evaluate(`${sends}.click()`);
      const answered = () =>
        page.evaluate<string>(
          "document.querySelector('.live-responses-table tbody .response-col_status')?.innerText ?? ''",
        );
      await until(async () => (await answered()).startsWith('401'), {
        what: 'the answer to a wrong password',
      });

      const origins = new Set(
        page.requests
          .map((url) => new URL(url))
          .filter(({ protocol }) => protocol !== 'data:')
          .map(({ origin }) => origin),
      );
      expect([...origins]).toEqual([fathom.url]);
      // The answer to the wrong password alone.
      expect(page.problems.filter((problem) => !problem.includes('status of 401'))).toEqual([]);
      const picture = process.env['FATHOM_SCREENSHOT'];
      if (picture !== undefined) await page.screenshot(picture);
    } finally {
      await page.close();
    }
  },
);
