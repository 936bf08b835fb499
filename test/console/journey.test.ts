import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Deployment, deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { hasTmux, TmuxTerminal } from './tmux-terminal.ts';

const CONSOLE = join(import.meta.dirname, '../../bin/fathom-tui');

/** The built console in a real terminal, on the socket of a real daemon. */
async function openConsole(deployed: Deployment, env: Record<string, string> = {}): Promise<TmuxTerminal> {
  const terminal = new TmuxTerminal();
  onTestFinished(() => terminal[Symbol.asyncDispose]());
  return terminal.start([CONSOLE, '--socket', deployed.socketPath], {
    env: { XDG_CACHE_HOME: join(deployed.dataDir, 'cache'), ...env },
    columns: 160,
    rows: 40,
  });
}

async function signUp(deployed: Deployment, user: string): Promise<string> {
  const { database } = await deployed.client.auth.register({
    email: `${user}@example.com`,
    password: 'correct horse',
  });
  if (database === null) throw new Error('no database');
  return database.name;
}

async function pidOf(deployed: Deployment, name: string): Promise<number> {
  return until(async () => (await deployed.client.databases.get(name)).pid, { what: `${name} to run` });
}

describe.skipIf(!hasTmux())('the console on a real fleet', () => {
  it('shows a sign-up, why a killed instance died and that it is back, and stops it after a question', async () => {
    const deployed = await deployment();
    await deployed.start();
    const terminal = await openConsole(deployed);
    await terminal.shows('● live', '● ready');
    await terminal.press('2');
    await terminal.shows('1 instance ', 'global');

    const name = await signUp(deployed, 'journey');
    await terminal.shows('2 instances', 'journey@example.com', `● ${name}`);

    process.kill(await pidOf(deployed, name), 'SIGKILL');
    await terminal.shows(/journey .*running again, died \d+ s ago · SIGKILL · restart 1/);

    await terminal.press('g', 'x');
    await terminal.shows('Stop?', `stop ${name}`);
    await terminal.press('y');
    await terminal.shows(`✓ stopped ${name}`, `○ ${name}`);
    expect((await deployed.client.databases.get(name)).phase).toBe('stopped');
    await terminal.press('s');
    await terminal.shows(`✓ started ${name}`, `● ${name}`);

    await terminal.press('l');
    await terminal.shows('following', 'Server started at');
    await terminal.press('q');
    await terminal.shows('Left the console; the daemon keeps running.', 'exit=0');
  });

  it('stays when the daemon is killed, says so, and resyncs with the next one', async () => {
    const deployed = await deployment();
    const first = await deployed.start();
    const name = await signUp(deployed, 'survivor');
    const terminal = await openConsole(deployed);
    await terminal.shows('● live');
    await terminal.press('2');
    await terminal.shows(name);

    first.signal('SIGKILL');
    await first.exited;
    await terminal.shows(/▲ stale \d+ s, retry \d+/, name);
    await terminal.press('r');
    await terminal.shows('actions are off while the link is gone');

    await deployed.start();
    await terminal.shows('● live', `● ${name}`);
    await terminal.press('q');
    await terminal.shows('exit=0');
  });

  it('waits for a daemon that is not there yet', async () => {
    const deployed = await deployment();
    const terminal = await openConsole(deployed);
    await terminal.shows('Waiting for the daemon', 'there is no daemon socket', 'systemctl start fathomd');
    await deployed.start();
    await terminal.shows('● live', '● ready');
    await terminal.press('q');
    await terminal.shows('exit=0');
  });

  it('asks about the daemon that it came up with, and tells its launcher to stop it', async () => {
    const deployed = await deployment();
    await deployed.start();
    const terminal = await openConsole(deployed, { FATHOM_OWNS_DAEMON: '1' });
    await terminal.shows('● live');
    await terminal.press('q');
    await terminal.shows('keep running?');
    await terminal.press('s');
    await terminal.shows('exit=3');
  });
});
