import { describe, expect, it } from 'vitest';
import { PHASE_REASONS } from '../../shared/reasons.ts';
import { NO_PROBLEMS } from '../../tui/screens/frame/hints.ts';
import { backingOff, failed, fleetOf, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const CORRUPT = '2026-11-23-001-corrupt';
const WAITS = '2026-11-24-001-waits';

/** Of one cause, so many that they fill every screen, and two others. */
function troubled() {
  const many = Array.from({ length: 58 }, (_, nth) =>
    failed(`2026-11-22-${String(nth + 1).padStart(3, '0')}-gone`, {
      reason: { code: 'data_dir_missing', message: 'the data directory is missing; restore it' },
    }),
  );
  const corrupt = failed(CORRUPT, {
    reason: { code: 'database_corrupt', message: 'the database is damaged' },
  });
  return [...many, corrupt, backingOff(WAITS), ...fleetOf(5)];
}

describe('problems', () => {
  it('of one cause are one row, which Enter opens, and hide no others', async () => {
    const stub = await daemon(troubled());
    const screen = open({ url: stub.url });
    await screen.shows('● live', '+ 58 databases', CORRUPT, WAITS, 'Problems  60');
    await screen.shows(PHASE_REASONS.data_dir_missing.text);
    screen.press('enter');
    await screen.shows('− 58 databases', '2026-11-22-001-gone', 'of 61');
    await screen.hides(WAITS);
    screen.press('enter');
    await screen.shows('+ 58 databases', WAITS);
  });

  it('of one cause are acted on together, after a question', async () => {
    const stub = await daemon(troubled());
    const screen = open({ url: stub.url });
    await screen.shows('● live', '+ 58 databases');
    screen.press('r');
    await screen.shows('restart 58 instances', '2026-11-22-001-gone');
    screen.press('y');
    await screen.shows('restarted 58 instances');
    expect(stub.requests.filter((one) => one.endsWith('/restart'))).toHaveLength(58);
  });

  it('of one cause are one stop on the way through all of them', async () => {
    const stub = await daemon(troubled());
    const screen = open({ url: stub.url }, { columns: 160 });
    await screen.shows('● live', '+ 58 databases');
    screen.press('p');
    await screen.notices('1', '3', '57');
    screen.press('p');
    await screen.notices('2', '3', CORRUPT);
    screen.press('p');
    await screen.notices('3', WAITS);
    screen.press('P', 'P');
    await screen.notices('1', '3');
  });

  it('are all that the lists show after !, until it is taken back', async () => {
    const stub = await daemon([failed(CORRUPT), ...fleetOf(5)]);
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', '!');
    await screen.shows('! problems only', '1/1', CORRUPT);
    expect(screen.text).not.toContain('user001');
    screen.press('5');
    await screen.shows('1 database', 'problems only');
    // What becomes a problem is shown at once.
    stub.enter('2026-11-21-002-user002', 'failed', { pid: null });
    await screen.shows('2 databases', 'user002');
    screen.press('esc');
    await screen.shows('6 databases');
    screen.press('2');
    await screen.shows('1/6');
    stub.enter(CORRUPT, 'running', { reason: null, last_exit: null });
    stub.enter('2026-11-21-002-user002', 'running', { reason: null, last_exit: null });
    screen.press('!');
    await screen.shows(NO_PROBLEMS);
  });

  it('in a fleet that is fine are none', async () => {
    const stub = await daemon([instance(WAITS)]);
    const screen = open({ url: stub.url });
    await screen.shows('✓ No problems.');
  });
});
