import { describe, expect, it } from 'vitest';
import { fleetOf, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';
import type { StubDaemon } from './stub-daemon.ts';

function changes(stub: StubDaemon): string[] {
  return stub.requests.filter((request) => !request.startsWith('GET'));
}

describe('the mouse', () => {
  it('chooses a row, opens the chosen one, and turns to screens and tabs', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { mouse: true, columns: 130 });
    await screen.shows('● live', 'No problems');
    screen.click('2 Instances');
    await screen.shows('PHASE', '1/4');
    screen.click('2026-11-21-003');
    await screen.shows('3/4');
    screen.click('2026-11-21-003');
    await screen.shows('Summary', 'user003@example.com');
    screen.click('Probes');
    await screen.until(() => JSON.stringify(screen.console.ui.get().at).includes('"probes"'));
    screen.click('Logs   Probes');
    await screen.until(() => JSON.stringify(screen.console.ui.get().at).includes('"logs"'));
    screen.click('6 Events');
    await screen.goesTo('events');
    await screen.shows('Audit');
    screen.click('Audit');
    await screen.until(() => screen.console.ui.get().at.screen === 'events');
    await screen.until(() => JSON.stringify(screen.console.ui.get().at).includes('"audit"'));
    expect(changes(stub)).toEqual([]);
  });

  it('chooses in a list that is scrolled, and scrolls with the wheel', async () => {
    const stub = await daemon(fleetOf(100));
    const screen = open({ url: stub.url }, { mouse: true });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('1/100');
    screen.wheel(1);
    await screen.shows('4/100');
    screen.press('G');
    await screen.shows('100/100', 'user090');
    screen.click('user090');
    await screen.shows('90/100', 'user100');
    screen.wheel(-1);
    await screen.shows('87/100');
  });

  it('scrolls a log, and the help', async () => {
    const stub = await daemon();
    for (let number = 1; number <= 50; number += 1) stub.log('2026-11-21-001-user001', `line ${number}.`);
    const screen = open({ url: stub.url }, { mouse: true });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('line 50.');
    screen.wheel(-1);
    await screen.shows('paused, 3 newer lines');
    screen.wheel(1);
    await screen.shows('following');
    screen.press('?');
    await screen.shows('1–');
    screen.wheel(1);
    await screen.shows('4–');
  });

  it('answers no question, and does nothing while one is open', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { mouse: true });
    await screen.shows('● live');
    screen.press('2', 'x');
    await screen.shows('Stop?', 'y stop');
    screen.click('y stop');
    screen.click('3 Queue');
    screen.press('j');
    await screen.shows('Stop?');
    screen.press('n');
    await screen.hides('Stop?');
    await screen.shows('1/4');
    expect(changes(stub)).toEqual([]);
  });

  it('is never taken for keys, in parts or while another size is drawn', async () => {
    const stub = await daemon([instance('2026-11-21-001-wide-日本', { email: '山田@example.com' })]);
    const screen = open({ url: stub.url }, { mouse: true });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('1/1');
    screen.pressAtOnce('\u001B[<0;1');
    screen.pressAtOnce('0;4');
    screen.pressAtOnce('M\u001B[<0;10;4m');
    await screen.shows('Summary');
    screen.resize(40, 8);
    await screen.shows('too small');
    screen.wheel(1);
    screen.click('too small');
    screen.resize(80, 24);
    await screen.shows('Summary', '山田@example.com');
  });
});
