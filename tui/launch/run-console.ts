import { userInfo } from 'node:os';
import { inspect } from 'node:util';
import { connectFleet } from '../store/fleet-connection.ts';
import { describeTarget } from '../store/target.ts';
import { chooseTheme } from '../theme.ts';
import type { Options } from './options.ts';

export const EXIT = { done: 0, usage: 2, stopDaemon: 3, noTerminal: 69, crash: 70 } as const;

/** Runs the console until it is left; the answer is the exit code, and what to say afterwards. */
export async function runConsole({
  target,
  readOnly,
  theme,
}: Options): Promise<{ exitCode: number; farewell: string | null }> {
  const token = process.env['FATHOM_TOKEN'];
  // The daemon refuses what a viewer may not do; nothing here needs to.
  const role = readOnly ? { role: 'viewer' } : {};
  // The connection is on its way while the rest is loaded.
  const fleet = connectFleet({
    target,
    ...(token ? { token } : {}),
    ...role,
    by: token ? 'you' : userInfo().username,
    commands: async () => {
      const { FathomClient } = await import('../../shared/client/fathom-client.ts');
      return new FathomClient({ target, token, ...role });
    },
  });
  const [{ openScreen }, { createConsole }] = await Promise.all([
    import('./open-screen.ts'),
    import('../screens/create-console.ts'),
  ]);
  let exitCode: number = EXIT.done;
  const console = createConsole({
    fleet,
    theme: chooseTheme(process.env, { option: theme }),
    readOnly,
    write: (text) => process.stdout.write(text),
    ownsDaemon: process.env['FATHOM_OWNS_DAEMON'] === '1',
    address: describeTarget(target),
    leave(daemon) {
      if (daemon === 'stop') exitCode = EXIT.stopDaemon;
      screen.unmount();
    },
  });
  const screen = openScreen(console);
  const crash = (error: unknown) => {
    screen.unmount();
    reportCrash(error);
    process.exit(EXIT.crash);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  try {
    await screen.waitUntilExit();
  } catch (error) {
    crash(error);
  }
  const { link } = fleet.store.get();
  fleet.close();
  const left = exitCode === EXIT.done && link.kind === 'live';
  return { exitCode, farewell: left ? 'Left the console; the daemon keeps running.' : null };
}

function reportCrash(error: unknown): void {
  process.stderr.write(`fathom-tui: has crashed; the daemon is not affected.\n${inspect(error)}\n`);
}
