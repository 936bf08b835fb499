import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { signUp } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { openConsole } from './journey-stage.ts';
import { hasTmux } from './tmux-terminal.ts';

const shared = sharedDeployment();
const AS_BEFORE = { alternate: false, cursor: true, mouse: false, raw: false };
const TAKEN = { alternate: true, cursor: false, mouse: true, raw: true };

describe.skipIf(!hasTmux())('the terminal of the console', () => {
  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)('is given back after %s', async (signal) => {
    const terminal = await openConsole(shared.fathom);
    await terminal.shows('● live');
    expect(await terminal.state()).toEqual(TAKEN);
    process.kill(await terminal.pid(), signal);
    await terminal.shows(/exit=1\d\d/);
    expect(await terminal.state()).toEqual(AS_BEFORE);
  });

  it('is given back while the console is stopped, and taken again when it goes on', async () => {
    const terminal = await openConsole(shared.fathom);
    await terminal.shows('● live');
    const pid = await terminal.pid();
    const becomes = (wanted: typeof TAKEN) =>
      until(async () => isDeepStrictEqual(await terminal.state(), wanted), { what: 'the terminal' });
    process.kill(pid, 'SIGTSTP');
    await becomes(AS_BEFORE);
    expect(await terminal.text()).not.toContain('● live');
    process.kill(pid, 'SIGCONT');
    await becomes(TAKEN);
    await terminal.shows('1 Overview', '● live', 'quit');

    // A program is not notified of SIGSTOP.
    process.kill(pid, 'SIGSTOP');
    await until(async () => isStopped(pid), { what: 'the console to stop' });
    await terminal.resetModes();
    process.kill(pid, 'SIGCONT');
    await becomes(TAKEN);
    await terminal.press('6');
    await terminal.shows(/All .*Audit/);
    await terminal.press('q');
    await terminal.shows('exit=0');
    expect(await terminal.state()).toEqual(AS_BEFORE);
  });

  it('is given back after a crash, with its error', async () => {
    const fault = "process.on('SIGUSR2', () => { throw new Error('a fault of this test') })";
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` };
    const terminal = await openConsole(shared.fathom, { env });
    await terminal.shows('● live');
    process.kill(await terminal.pid(), 'SIGUSR2');
    await terminal.shows('exit=70', 'fathom-tui: ', 'a fault of this test');
    expect(await terminal.state()).toEqual(AS_BEFORE);
  });

  it('is never taken over when the settings cannot be read', async () => {
    const settings = join(shared.fathom.dataDir, 'broken');
    await mkdir(join(settings, 'fathom'), { recursive: true });
    await writeFile(join(settings, 'fathom/console-tokens.json'), '{"sessions": ');
    const env = { XDG_CONFIG_HOME: settings };
    const terminal = await openConsole(shared.fathom, { env, target: ['--url', shared.fathom.url] });
    const printed = await terminal.shows('exit=78', `${settings}/fathom`);
    expect(printed).not.toMatch(/^ +at /m);
  });

  it('may be closed: the console ends with it', async () => {
    const terminal = await openConsole(shared.fathom);
    await terminal.shows('● live');
    const pid = await terminal.pid();
    await terminal[Symbol.asyncDispose]();
    await until(() => !isRunning(pid), { what: 'the console to end' });
  });

  it('asks about the daemon that it came up with, and tells its launcher to stop it', async () => {
    const terminal = await openConsole(shared.fathom, { env: { FATHOM_OWNS_DAEMON: '1' } });
    await terminal.shows('● live');
    await terminal.press('q');
    await terminal.shows(/ k .*\n.* s .*\n.* Esc /);
    await terminal.press('s');
    await terminal.shows('exit=3');
    expect(await terminal.state()).toEqual(AS_BEFORE);
  });

  it('only looks with --read-only: the daemon refuses, and has it in its audit log', async () => {
    const { name } = await signUp(shared.fathom, 'looked');
    const terminal = await openConsole(shared.fathom, { args: ['--read-only'] });
    await terminal.shows('● live', 'read-only');
    await terminal.press('m');
    await until(async () => !(await terminal.state()).mouse, { what: 'the mouse to be released' });
    await terminal.press('2');
    await terminal.shows('PHASE', name);
    // Without bracketed paste, a text that holds a question and its answer.
    await terminal.type('gxyz\r');
    await terminal.shows('Stop?', 'y stop', `stop ${name}`);
    await terminal.press('n');
    await terminal.press('r');
    await terminal.shows('Restart?', 'y restart');
    await terminal.press('y');
    await terminal.shows(`✗ restart ${name}`, 'databases.operate');
    await terminal.press('6');
    await terminal.shows(/database\.restart +2.* refused/);
    expect(await terminal.text()).not.toContain('database.stop');
    expect((await shared.fathom.client.databases.get(name)).restarts).toBe(0);
  });
});

function isStopped(pid: number): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
