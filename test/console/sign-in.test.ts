import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { untilSignInRefused } from './journey-stage.ts';
import { hasTmux, TmuxTerminal } from './tmux-terminal.ts';

const CONSOLE = join(import.meta.dirname, '../../bin/fathom-tui');
const VIEWER = { email: 'night-watch@example.com', password: 'a-secret-password-7' };

async function typePassword(terminal: TmuxTerminal, password: string): Promise<void> {
  await terminal.press(VIEWER.email, 'Tab', password);
  expect(await terminal.shows('(typed, not shown)', VIEWER.email)).not.toContain(password.slice(0, 4));
}

describe.skipIf(!hasTmux())('signing in to a remote daemon', () => {
  let fathom: Deployment;
  let tokens: string;

  beforeAll(async () => {
    fathom = await createDeployment();
    await fathom.start();
    await fathom.client.users.add({ ...VIEWER, role: 'viewer' });
    tokens = join(fathom.dataDir, 'config/fathom/console-tokens.json');
  });
  afterAll(() => fathom.dispose());

  async function openConsole(): Promise<TmuxTerminal> {
    const terminal = new TmuxTerminal();
    onTestFinished(() => terminal[Symbol.asyncDispose]());
    const folders = {
      XDG_CACHE_HOME: join(fathom.dataDir, 'cache'),
      XDG_CONFIG_HOME: join(fathom.dataDir, 'config'),
    };
    return terminal.start([CONSOLE, '--url', fathom.url], { env: folders, columns: 120, rows: 30 });
  }

  it('asks for e-mail and password, refuses wrong ones, and keeps no token by default', async () => {
    const terminal = await openConsole();
    await terminal.shows('E-mail', 'Password');
    await typePassword(terminal, 'wrong-password');
    await terminal.press('Enter');
    await untilSignInRefused(terminal, fathom);
    await terminal.press('C-u', VIEWER.password, 'Enter');
    await terminal.shows('● live', 'night-watch@example.com', 'viewer');
    expect(JSON.parse(await readFile(tokens, 'utf8'))).toEqual({ sessions: {} });
    await terminal.press('q');
    await terminal.shows('exit=0');
  });

  it('keeps the session for its owner alone; a viewer is refused by the daemon; the end of the session leads back', async () => {
    const { name } = await signUp(fathom, 'watched');
    const terminal = await openConsole();
    await terminal.shows('E-mail');
    await typePassword(terminal, VIEWER.password);
    await terminal.press('Tab', 'Space');
    await terminal.shows('‹ yes ›');
    await terminal.press('Enter');
    await terminal.shows('● live');
    const kept = await readFile(tokens, 'utf8');
    expect((await stat(tokens)).mode & 0o777).toBe(0o600);
    expect(Object.keys(JSON.parse(kept).sessions)).toEqual([fathom.url]);
    expect(kept).not.toContain(VIEWER.password);

    // The keys are there: it is the daemon that refuses.
    await terminal.press('2', 'g', 'x');
    await terminal.shows('Stop?', 'y stop', name);
    await terminal.press('y');
    await terminal.shows(`✗ stop ${name}`, 'databases.operate');
    expect((await fathom.client.databases.get(name)).phase).toBe('running');
    await terminal.press('q');
    await terminal.shows('exit=0');

    // With a kept session there is no question, until it ends.
    const second = await openConsole();
    await second.shows('● live', '1 database');
    const { items } = await fathom.client.sessions.list();
    for (const { id } of items) await fathom.client.sessions.end(id);
    await second.shows('E-mail', '(401)');
    await second.press(VIEWER.email, 'Tab', VIEWER.password, 'Enter');
    await second.shows('● live', 'viewer');
    expect(JSON.parse(await readFile(tokens, 'utf8'))).toEqual({ sessions: {} });
  });
});
