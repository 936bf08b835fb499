import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ConsoleHarness } from './console-harness.ts';
import { daemon, open } from './stage.ts';
import type { StubDaemon } from './stub-daemon.ts';

const NAME = '2026-11-21-001-user001';

function changes(stub: StubDaemon): string[] {
  return stub.requests.filter((request) => !request.startsWith('GET'));
}

/** What was typed before this has been handled when it has its effect. */
async function settled(screen: ConsoleHarness): Promise<void> {
  screen.press('n', '6');
  await screen.goesTo('events');
  await screen.shows('Audit');
}

describe('keys that arrive in one read', () => {
  it.each([
    ['a word and Enter', ['x', 'y', 'z', 'enter']],
    ['a question and its answer', ['r', 'y']],
    ['a question after Esc', ['space', 'k', 'esc', 'x', 'y']],
    ['the palette and an answer', [':', 'stop', 'enter', 'y']],
    ['a question that takes the place of another', ['x', 'n', 'x', 'y']],
  ])('do not answer the question that they open: %s', async (_, keys) => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('user001', 'PHASE');
    screen.pressAtOnce(...keys);
    await screen.shows(/(?:Stop|Restart)\?/);
    await settled(screen);
    expect(changes(stub)).toEqual([]);

    // What is pressed after it was seen does.
    screen.press('2', 'x');
    await screen.shows('Stop?');
    screen.press('y');
    await screen.shows(`stopped ${NAME}`);
    expect(changes(stub)).toEqual([`POST /api/v1/databases/${NAME}/stop`]);
  });

  it('do not answer a question that is open, unless there is one alone', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('2', 'x');
    await screen.shows('Stop?');
    screen.pressAtOnce('j', 'y');
    screen.pressAtOnce('y', 'enter');
    // No is taken at once; what came with it was not meant for the list.
    screen.pressAtOnce('n', 'x', 'y');
    await settled(screen);
    expect(changes(stub)).toEqual([]);
  });

  it('do not fill or send the form that they open', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live', '● ready');
    screen.press('2');
    screen.pressAtOnce('D', NAME, 'enter');
    await screen.shows(`Delete ${NAME}?`);
    screen.press('enter');
    await screen.refusesForm();
    expect(changes(stub)).toEqual([]);
  });

  it('do not send a form that asks for nothing but Enter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fathom-console-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const stub = await daemon();
    const screen = open({ url: stub.url }, { env: { XDG_CONFIG_HOME: folder } });
    await screen.shows('● live');
    screen.press('7', 'a', 'prod', 'enter');
    await screen.shows('1 server');
    screen.pressAtOnce('D', 'enter');
    await screen.shows('Remove prod?');
    screen.pressAtOnce('enter', 'enter');
    screen.press('esc');
    await screen.hides('Remove prod?');
    await screen.shows('1 server');
  });

  it('do not stop the daemon with the key that asks about it', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url }, { ownsDaemon: true });
    await screen.shows('● live');
    screen.pressAtOnce('q', 's');
    await screen.shows('keep running?');
    screen.pressAtOnce('esc', 'q', 's');
    await settled(screen);
    screen.press('q');
    await screen.shows('keep running?');
    screen.press('k');
    expect(await screen.left).toBe('keep');
  });

  it('move and filter as if they came one by one', async () => {
    const stub = await daemon();
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.pressAtOnce('2', 'j', 'j');
    await screen.shows('3/4');
    screen.pressAtOnce('/', 'user002', 'enter');
    await screen.shows('/user002', '1/1');
  });
});
