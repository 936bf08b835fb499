import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Profile } from '../../tui/store/servers/profile.ts';
import { daemon, open } from './stage.ts';

async function settings(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fathom-console-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe('Servers', () => {
  it('keeps servers by name, says which answer and why not, changes, connects and removes them', async () => {
    const folder = await settings();
    const stub = await daemon();
    const gone = await daemon();
    await gone.close();
    const chosen: Profile[] = [];
    const screen = open(
      { url: stub.url },
      { env: { XDG_CONFIG_HOME: folder }, connectTo: async (profile) => void chosen.push(profile) },
    );
    await screen.shows('● live');
    screen.press('7');
    await screen.goesTo('servers');

    // The daemon at hand is suggested.
    screen.press('a', 'enter');
    await screen.refusesForm();
    screen.press('prod', 'enter');
    await screen.shows('1 server', '● live', stub.url);

    screen.press('a', 'old', 'tab');
    screen.paste(`${gone.url}\n`);
    screen.press('tab', ' ', 'enter');
    await screen.shows('2 servers', '✗ unreachable', '1 unreachable', 'dark');
    screen.press('e', '2', 'enter');
    await screen.shows('old2');
    screen.press('G', 'enter');
    await screen.until(() => chosen.length === 1);
    expect(chosen).toEqual([{ name: 'prod', address: stub.url, theme: null }]);

    screen.press('g', 'D');
    await screen.shows('Remove old2?');
    screen.press('enter');
    await screen.shows('1 server');
    const file = join(folder, 'fathom', 'console.json');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      profiles: [{ name: 'prod', address: stub.url, theme: null }],
    });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is there while no daemon is, and says what is wrong with the settings', async () => {
    const stub = await daemon();
    await stub.close();
    const file = join(await settings(), 'file');
    await writeFile(file, '');
    const screen = open({ url: stub.url }, { env: { XDG_CONFIG_HOME: file } });
    await screen.shows(stub.url);
    screen.press('7');
    await screen.shows(/✗ .*/, 'ENOTDIR');
  });
});
