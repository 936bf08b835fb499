import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { TmuxTerminal } from './tmux-terminal.ts';

const CONSOLE = join(import.meta.dirname, '../../bin/fathom-tui');

/** The built console in a real terminal, on the socket of a real daemon; closed after the test. */
export async function openConsole(
  deployed: Deployment,
  {
    env = {},
    args = [],
    target = ['--socket', deployed.socketPath],
  }: { env?: Record<string, string>; args?: readonly string[]; target?: readonly string[] } = {},
): Promise<TmuxTerminal> {
  const terminal = new TmuxTerminal();
  onTestFinished(() => terminal[Symbol.asyncDispose]());
  return terminal.start([CONSOLE, ...target, ...args], {
    env: { XDG_CACHE_HOME: join(deployed.dataDir, 'cache'), ...env },
    columns: 160,
    rows: 40,
  });
}

/** Waits until the daemon has refused a sign-in, and the form takes input again. */
export async function untilSignInRefused(terminal: TmuxTerminal, { client }: Deployment): Promise<void> {
  const refusals = () => client.audit.list({ action: 'sign-in', outcome: 'refused' });
  await until(async () => (await refusals()).total > 0, { what: 'a sign-in to be refused' });
  await terminal.shows('⏎');
}
