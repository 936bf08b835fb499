import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { failed, fleetOf, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const NAME = '2026-11-21-001-user001';
const BROKEN = '2026-11-21-002-broken';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fathom-copy-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The only file that was saved. */
async function savedIn(state: string): Promise<{ path: string; text: string; mode: number }> {
  const below = join(state, 'fathom');
  const [name = '', ...others] = await readdir(below);
  expect(others).toEqual([]);
  const path = join(below, name);
  return { path, text: await readFile(path, 'utf8'), mode: (await stat(path)).mode & 0o777 };
}

describe('copying', () => {
  it('offers the name, the URL, the owner, the reason, the row and the command of the chosen instance', async () => {
    const stub = await daemon([failed(BROKEN), instance(NAME)]);
    const screen = open({ url: stub.url }, { columns: 120, rows: 30 });
    await screen.shows('● live');
    screen.press('2');
    await screen.shows('2 instances');
    const copies = async (...keys: string[]) => {
      screen.press('y');
      await screen.shows('╭─ Copy');
      screen.press(...keys);
      await screen.hides('╭─ Copy');
      await screen.shows('Copied');
      return screen.clipboard;
    };
    expect(await copies('u')).toBe('http://127.0.0.1:9001');
    // The first one is the name: y again, or Enter.
    expect(await copies('y')).toBe(NAME);
    expect(await copies('down', 'enter')).toBe('http://127.0.0.1:9001');
    expect(await copies('o')).toBe('user001@example.com');
    expect(await copies('i')).toBe(`bin/fathomd databases show ${NAME} --json`);
    expect(await copies('c')).toBe('bin/fathomd databases list --json');
    expect(await copies('r')).toBe(`${NAME}\tuser001@example.com\trunning\thttp://127.0.0.1:9001\t`);
    expect(JSON.parse(await copies('v'))).toMatchObject({ name: NAME, phase: 'running' });
    screen.press('j');
    await screen.shows('2/2');
    const reason = await copies('w');
    expect(reason).toMatch(/^failed .*\n.*main\.pb\.js/);
    expect(reason).toContain('exit status 2');

    screen.press('y', 'esc');
    await screen.hides('╭─ Copy');
    expect(screen.clipboard).toBe(reason);
  });

  it('saves into a private file where there is no clipboard', async () => {
    const state = await folder();
    const stub = await daemon();
    const screen = open({ url: stub.url }, { env: { TERM: 'linux', XDG_STATE_HOME: state }, columns: 160 });
    await screen.shows('● live');
    screen.press('2', 'y');
    await screen.shows('╭─ Copy');
    screen.press('u');
    await screen.notices();
    const { path, text, mode } = await savedIn(state);
    expect(text).toBe('http://127.0.0.1:9001');
    expect(mode).toBe(0o600);
    await screen.shows(path);
    expect(screen.clipboard).toBe('');
  });

  it('does not hand a terminal more than it takes', async () => {
    const state = await folder();
    const stub = await daemon();
    for (let number = 0; number < 200; number += 1) stub.log(NAME, `${number} ${'x'.repeat(500)}`);
    const screen = open({ url: stub.url }, { env: { XDG_STATE_HOME: state } });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('following', '199 xxx');
    screen.press('y');
    await screen.shows('╭─ Copy');
    screen.press('a');
    await screen.notices();
    expect((await savedIn(state)).text.trimEnd().split('\n')).toHaveLength(200);
    screen.press('y', 'l');
    await screen.notices();
    expect(screen.clipboard).toBe(`199 ${'x'.repeat(500)}`);
  });
});

describe('saving', () => {
  it('keeps a whole log, with the time of each line', async () => {
    const state = await folder();
    const stub = await daemon();
    for (let number = 1; number <= 60; number += 1) stub.log(NAME, `line ${number}`);
    const screen = open({ url: stub.url }, { env: { XDG_STATE_HOME: state }, columns: 200 });
    await screen.shows('● live');
    screen.press('2', 'l');
    await screen.shows('line 60');
    screen.press('S');
    await screen.shows('Saved to ');
    const { path, text, mode } = await savedIn(state);
    expect(path).toMatch(/2026-11-21-001-user001-logs-\d{8}T\d{6}\.txt$/);
    await screen.shows(path);
    expect(mode).toBe(0o600);
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(60);
    expect(lines[0]).toMatch(/^\d{4}-.*Z line 1$/);
  });

  it('keeps every row of a list, and the reason of the chosen instance', async () => {
    const state = await folder();
    const stub = await daemon([...fleetOf(100), failed(BROKEN)]);
    const screen = open({ url: stub.url }, { env: { XDG_STATE_HOME: state } });
    await screen.shows('● live');
    screen.press('2', 'S');
    await screen.shows('Saved to ');
    const { text, path } = await savedIn(state);
    expect(text.match(/-user\d{3} /g)).toHaveLength(100);
    expect(text).not.toContain('\n\n\n');
    expect(text).toContain('hook is broken');
    await rm(path);
    screen.press('/', 'broken', 'enter', 'enter');
    await screen.shows('Last exit');
    screen.press('S');
    await screen.shows('Saved to ');
    expect((await savedIn(state)).text).toContain('ReferenceError: foo is not defined; correct it');
  });

  it('says why it cannot be saved', async () => {
    const state = await folder();
    await writeFile(join(state, 'fathom'), 'no folder');
    const stub = await daemon();
    const screen = open({ url: stub.url }, { env: { XDG_STATE_HOME: state }, columns: 160 });
    await screen.shows('● live');
    screen.press('2', 'S');
    await screen.notices('XDG_STATE_HOME');
  });
});
