import { describe, expect, it } from 'vitest';
import { ago } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const [ONE, TWO, THREE] = [
  '2026-11-21-001-user001',
  '2026-11-21-002-user002',
  '2026-11-21-003-user003',
] as const;

describe('Logs of several instances', () => {
  it('merges them by time, says whose each line is and where a run begins, and obeys nothing in them', async () => {
    const stub = await daemon();
    stub.publish({ kind: 'log.line', name: TWO, line: { at: ago(10), text: 'second' } });
    stub.publish({ kind: 'log.line', name: ONE, line: { at: ago(20), text: 'first \u001B[2Jkept' } });
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('4');
    await screen.shows('following', 'first kept', 'second', '4 instances');
    expect(screen.text.indexOf('first')).toBeLessThan(screen.text.indexOf('second'));
    expect(screen.line('second')).toContain(TWO);

    stub.enter(TWO, 'running', {
      pid: 777,
      run: 2,
      started_at: ago(0),
      last_exit: { code: null, signal: 'SIGKILL', at: ago(0), uptime_s: 5, ended_by: null },
    });
    stub.log(TWO, 'ERROR: out of luck');
    await screen.shows(/run 2 .*pid 777 .*SIGKILL/, 'out of luck');
    screen.press('v', 'v');
    await screen.hides('first');
    await screen.shows('out of luck', 'run 2 ');
    screen.press('v', '/', 'luck', 'enter');
    await screen.shows('1/1', 'first');
  });

  it('reads all, the marked or the filtered instances', async () => {
    const stub = await daemon();
    for (const name of [ONE, TWO, THREE]) stub.log(name, `from ${name.slice(-7)}`);
    const screen = open({ url: stub.url }, { columns: 120 });
    await screen.shows('● live');
    screen.press('2', '/', 'user003', 'enter', '4');
    await screen.shows('from user001', 'from user003', '4 instances');
    screen.press('c');
    await screen.until(({ console }) => {
      const { at } = console.ui.get();
      return at.screen === 'fleet-logs' && at.choice === 'marked';
    });
    screen.press('c');
    await screen.shows('from user003', '1 instance');
    expect(screen.text).not.toContain('from user001');
    screen.press('2', 'esc', 'g', 'space', '4', 'c');
    await screen.shows('1 instance', 'from user001');
  });
});
