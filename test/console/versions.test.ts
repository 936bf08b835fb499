import { expect, it } from 'vitest';
import { fleetOf, globalInstance, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const DORA = '2026-11-21-101-dora';

it('shows the version of each instance, and which are pinned', async () => {
  const dora = instance(DORA, { pocketbase_version: '0.39.11', pinned_version: '0.40.6' });
  const emil = instance('2026-11-21-102-emil', { pocketbase_version: '0.40.6', pinned_version: '0.40.6' });
  const stub = await daemon([globalInstance(), ...fleetOf(1), dora, emil]);
  const screen = open({ url: stub.url }, { columns: 180, rows: 30 });
  await screen.shows('● live');
  screen.press('2');
  await screen.shows('VERSION', /dora .*0\.39\.11 \*/, /emil .*0\.40\.6 \*/, /user001 .*0\.39\.1 /);
  expect(screen.line('user001')).not.toContain('0.39.1 *');
  screen.press('/', 'dora', 'enter', 'enter');
  await screen.shows(/PocketBase +0\.39\.11, pinned to 0\.40\.6 from its next start on/);
  screen.press('esc');
  await screen.shows('VERSION');
  screen.press('esc', '/', 'emil', 'enter', 'enter');
  await screen.shows(/PocketBase +0\.40\.6, pinned/);
});
