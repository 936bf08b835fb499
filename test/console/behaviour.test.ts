import { describe, expect, it } from 'vitest';
import { fleetOf, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

describe('Logs', () => {
  const NAME = '2026-11-21-001-user001';

  it('shows a line with control sequences as text and obeys nothing', async () => {
    const stub = await daemon();
    stub.log(NAME, 'before \u001B[2J\u001B[1;1H\u001B[31mred\u001B[0m \u001B]0;title\u0007after 日本語');
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('before red after 日本語', 'following');
    expect(screen.lines[0]).toContain('Fathom');
    expect(screen.styleOf('red after')?.colour).toBeNull();
  });

  it('follows the end, pauses when it is scrolled, and counts what is new', async () => {
    const stub = await daemon();
    for (let number = 1; number <= 50; number += 1) stub.log(NAME, `line ${number} of fifty`);
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('line 50 of fifty');
    screen.press('k');
    await screen.hides('line 50 of fifty');
    await screen.shows('paused, 1 newer line');
    stub.log(NAME, 'one more');
    await screen.shows('paused, 2 newer lines');
    screen.press('G');
    await screen.shows('following', 'one more');
    screen.press('g');
    await screen.shows('line 1 of fifty');
  });

  it('searches from the newest line up', async () => {
    const stub = await daemon();
    for (let number = 1; number <= 90; number += 1) {
      stub.log(NAME, number % 30 === 0 ? `NEEDLE ${number}` : `hay ${number}`);
    }
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('NEEDLE 90');
    screen.press('/', 'needle', 'enter');
    await screen.shows('3/3');
    screen.press('n');
    await screen.shows('2/3', 'NEEDLE 60');
    expect(screen.styleOf('NEEDLE 60')?.inverse).toBe(true);
    screen.press('N');
    await screen.shows('3/3');

    // Esc while another one is typed leaves the search as it was; once more takes that back, too.
    screen.press('/', 'hay 8');
    await screen.shows('/hay 8');
    screen.press('esc');
    await screen.shows('/needle ', '3 matches', 'NEEDLE 90');
    screen.press('esc');
    await screen.hides('matches');
    expect(screen.styleOf('NEEDLE 90')?.inverse).toBe(false);
  });

  it('leaves the topic with the screen', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.until(({ console }) => console.fleet.store.get().log !== null);
    screen.press('esc');
    await screen.until(({ console }) => console.fleet.store.get().log === null);
  });
});

describe('the link', () => {
  it('waits for a daemon that is not there yet, says what to do, and connects by itself', async () => {
    const stub = await daemon();
    const { port, url } = stub;
    await stub.close();
    const screen = open({ url });
    await screen.shows(url, 'systemctl start fathomd', 'retry');
    await daemon(fleetOf(2), { port });
    screen.press('ctrl+r');
    await screen.shows('● live', '2 databases');
  });

  it('keeps the last snapshot dimmed while the link is gone, with actions off, then resyncs', async () => {
    const stub = await daemon();
    const { port, url } = stub;
    const screen = open({ url });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('user001', 'PHASE');
    expect(screen.styleOf('2026-11-21-002')?.dim).toBe(false);
    await stub.close();
    await screen.shows('▲ stale', 'retry', 'user001');
    expect(screen.styleOf('2026-11-21-002')?.dim).toBe(true);
    screen.press('s');
    await screen.notices();

    await daemon([...fleetOf(3), instance('2026-11-21-009-newcomer')], { port });
    screen.press('ctrl+r');
    await screen.shows('● live', 'newcomer');
    expect(screen.styleOf('2026-11-21-002')?.dim).toBe(false);
  });

  it('stops trying when the token is refused, and says what to do', async () => {
    const stub = await daemon();
    stub.refuseWith = 401;
    const screen = open({ url: stub.url });
    await screen.shows('✗ refused', 'FATHOM_TOKEN');
  });
});

describe('help, palette and leaving', () => {
  it('makes the help from the key table', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { rows: 40, columns: 120 });
    await screen.shows('● live');
    screen.press('2', '?');
    await screen.opens('help');
    const firstPage = screen.text;
    screen.press('pagedown', 'pagedown', 'pagedown');
    await screen.until(() => screen.text !== firstPage);
    screen.press('esc');
    await screen.opens(null);
  });

  it('goes to an instance by a part of its name', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press(':', 'user003', 'enter');
    await screen.shows('Summary', 'user003@example.com');
  });

  it('walks back and forward through what was looked at', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'j', 'enter');
    await screen.shows('Summary', 'user002@example.com');
    screen.press('1', '[');
    await screen.shows('Summary', 'user002@example.com');
    screen.press('[');
    await screen.shows('PHASE', '2/4');
    screen.press(']', ']');
    await screen.shows('No problems');
    screen.press(']');
    await screen.notices();
  });

  it('leaves with q, and gives the terminal back', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    expect(screen.buffer).toBe('alternate');
    expect(screen.raw).toBe(true);
    screen.press('q');
    expect(await screen.left).toBe('keep');
    await screen.until(() => screen.buffer === 'normal');
    expect(screen.raw).toBe(false);
  });

  it('asks about a daemon that it came up with', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { ownsDaemon: true });
    await screen.shows('● live');
    screen.press('q');
    await screen.shows('keep running?');
    screen.press('esc');
    await screen.hides('keep running?');
    screen.press('q', 's');
    expect(await screen.left).toBe('stop');
  });
});

describe('terminals', () => {
  it('draws everything again when another program has written to the terminal', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live', 'No problems');
    screen.scribble('\u001B[2J\u001B[9;1HBroadcast message');
    await screen.shows('Broadcast message');
    screen.press('ctrl+r');
    await screen.hides('Broadcast message');
    await screen.shows('● live', 'No problems', 'q quit');
  });

  it('follows the size of the terminal, down to a notice', async () => {
    const stub = await daemon(fleetOf(100));
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('user016');
    screen.resize(120, 40);
    await screen.shows('OWNER', 'user033');
    screen.resize(40, 8);
    await screen.shows('40×8', '60×12');
    // A question that cannot be seen is not answered.
    screen.resize(80, 24);
    await screen.shows('user016');
    screen.press('x');
    await screen.shows('Stop?');
    screen.resize(40, 8);
    await screen.shows('40×8');
    screen.press('y');
    screen.resize(80, 24);
    await screen.shows('NAME', 'Stop?');
    screen.press('esc');
    await screen.shows('NAME', 'user016', 'q quit');
    expect(stub.requests.filter((one) => one.startsWith('POST'))).toEqual([]);
    expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
  });
});
