import { describe, expect, it } from 'vitest';
import { ago, backingOff, failed, fleetOf, globalInstance, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const CRASHING = '2024-01-15-001-johndoe';

describe('Overview', () => {
  it('tells the daemon, the fleet, the queue and the problems, worst first, at 80×24', async () => {
    const stub = await daemon([
      globalInstance(),
      ...fleetOf(3),
      backingOff(CRASHING),
      failed('2024-01-15-002-jane'),
    ]);
    const screen = open({ url: stub.url });
    await screen.shows('● live', '● ready', '4 pending  1 processing', '5 databases');
    expect(screen.line('Fleet')).toContain('● 3 running  ✗ 1 failed  ↻ 1 backing off');
    const problems = screen.lines.filter((line) => /^[▸ ] [✗↻]/.test(line));
    expect(problems[0]).toContain('2024-01-15-002-jane');
    expect(problems[1]).toContain('backing off');
    expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
    expect(screen.lines.at(-1)).toContain('? help  q quit');
  });

  it('opens the instance of a problem, and comes back', async () => {
    const stub = await daemon([globalInstance(), backingOff(CRASHING)]);
    const screen = open({ url: stub.url });
    await screen.shows('Problems');
    screen.press('enter');
    await screen.shows('Summary', 'port 9002');
    screen.press('esc');
    await screen.shows('Problems');
  });
});

describe('Instances', () => {
  it('says in one line why a row is not fine', async () => {
    const stub = await daemon([backingOff(CRASHING), instance('2024-01-15-002-jane')]);
    const screen = open({ url: stub.url }, { columns: 120, rows: 40 });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('NAME');
    expect(screen.lines.filter((line) => line.includes(CRASHING)).join()).toMatch(
      /backing off [78] s · exit 1 · address in use · attempt 4\/10/,
    );
    expect(screen.line('jane')).toMatch(/jane@example\.com .*running .*9001 .*5001 .*60 m/);
  });

  it('follows the fleet as it changes', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('user002');
    stub.enter('2026-11-21-002-user002', 'backing_off', {
      pid: null,
      last_exit: { code: null, signal: 'SIGKILL', at: ago(0), uptime_s: 9, ended_by: null },
      attempt: 1,
      max_attempts: 10,
    });
    await screen.shows('backing off · SIGKILL · attempt 1/10');
    stub.publish({ kind: 'instance.added', instance: instance('2026-11-21-004-newcomer') });
    await screen.shows('newcomer', '5 instances');
    stub.publish({ kind: 'instance.removed', name: '2026-11-21-001-user001' });
    await screen.hides('user001');
  });

  it('keeps its columns behind wide characters', async () => {
    const stub = await daemon([
      // No emoji here: this terminal's own tables are too old to know how wide they are.
      instance('2024-01-15-001-yamada', { email: '山田太郎@例え.jp' }),
      instance('2024-01-15-002-kim', { email: '김철수가나다라마바사아자차카타파하@example.com' }),
      instance('2024-01-15-003-plain'),
    ]);
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('2', 'G');
    await screen.shows('山田太郎@例え.jp', '▸ ● 2024-01-15-003');
    const column = screen.columnOf('running', 'plain');
    expect(column).toBeGreaterThan(40);
    expect(screen.columnOf('running', 'yamada')).toBe(column);
    expect(screen.columnOf('running', 'kim')).toBe(column);
  });

  it('draws only what is visible of 1,000 instances, and scrolls through all of them', async () => {
    const stub = await daemon(fleetOf(1000));
    const screen = open({ url: stub.url }, { columns: 120, rows: 40 });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('1000 instances', 'user001', '1/1000');
    screen.press('G');
    await screen.shows('user1000', '1000/1000');
    screen.press('pageup');
    await screen.shows('967/1000');
    screen.press('g', 'j', 'j');
    await screen.shows('3/1000');
    expect(screen.lines.filter((line) => line.includes('running')).length).toBeLessThanOrEqual(37);
  });

  it('filters while typing, inverts with !, and Esc brings all back', async () => {
    const stub = await daemon([...fleetOf(12), backingOff(CRASHING)]);
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', '/', '!running');
    await screen.shows('1 shown', CRASHING);
    await screen.hides('user001');
    screen.press('enter', 'esc');
    await screen.shows('user001', '13 instances');
    await screen.hides('shown');
  });

  it('states what a restart will hit, does it after y, and tells how it went', async () => {
    const stub = await daemon([globalInstance(), ...fleetOf(37)]);
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', '*', 'r');
    await screen.shows('restart 37 instances', '30 s', 'y restart');
    expect(stub.requests.some((request) => request.startsWith('POST'))).toBe(false);
    screen.press('y');
    await screen.shows('✓ restarted 37 instances');
    expect(stub.requests.filter((request) => request.endsWith('/restart'))).toHaveLength(37);
    expect(stub.requests.some((request) => request.includes('/global/'))).toBe(false);
  });

  it('leaves everything as it is after n, after Enter, and when keys are pasted', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'x');
    await screen.shows('Stop?');
    screen.press('enter', 'n');
    await screen.hides('Stop?');
    screen.paste('xy');
    await screen.notices();
    expect(stub.requests.filter((request) => request.startsWith('POST'))).toEqual([]);
  });

  it('says why an action did not work', async () => {
    const stub = await daemon();
    stub.onAction = async () => 'hook main.pb.js is broken; correct it and force a restart';
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('2', 's');
    await screen.shows(/✗ start 2026-11-21-001-user001 .*main\.pb\.js/);
    screen.press('esc');
    await screen.hides('✗ start');
  });
});
