import { join } from 'node:path';
import { inspect } from 'node:util';
import type { Target } from '../../shared/client/http.ts';
import { messageOf } from '../../shared/errors.ts';
import { commandFor } from '../../shared/launcher.ts';
import type { Console } from '../screens/console.ts';
import type { ProfileFiles } from '../servers/profile-files.ts';
import { Servers } from '../servers/servers.ts';
import { clipboardMethods } from '../store/copy/clipboard-methods.ts';
import { type Profile, targetOfProfile } from '../store/servers/profile.ts';
import { argumentsFor, describeTarget } from '../store/servers/target.ts';
import { chooseTheme } from '../theme.ts';
import { connectServer, type ServerConnection } from './connect-server.ts';
import type { Options } from './options.ts';

export const EXIT = { done: 0, usage: 2, stopDaemon: 3, noTerminal: 69, crash: 70, settings: 78 } as const;

/** Two levels up from the sources and from `dist/tui/`. */
const PACKAGE = join(import.meta.dirname, '../..');

/**
 * Runs the console until the user quits.
 *
 * @returns the exit code, and a last message
 */
export async function runConsole(
  { target, explicit, profile, readOnly, theme, mouse }: Options,
  files: () => Promise<ProfileFiles>,
): Promise<{ exitCode: number; message: string | null }> {
  const servers = new Servers(files, profile?.name ?? null);
  const open = (to: Target, token?: string) => connectServer({ target: to, token, readOnly }, files);
  // Connects while the rest is loaded. The token from the environment is only for this daemon.
  let connection: ServerConnection;
  try {
    connection = await open(target, process.env['FATHOM_TOKEN'] || undefined);
  } catch (error) {
    return { exitCode: EXIT.settings, message: `fathom-tui: ${messageOf(error)}` };
  }
  const [{ openScreen }, { createConsole }] = await Promise.all([
    import('./open-screen.ts'),
    import('../screens/create-console.ts'),
  ]);
  let exitCode: number = EXIT.done;
  const consoleFor = (to: Target, named: Profile | null, { fleet, session }: ServerConnection): Console =>
    createConsole({
      fleet,
      session,
      servers,
      theme: chooseTheme(process.env, { option: theme, profile: named?.theme ?? undefined }),
      readOnly,
      mouse,
      copy: async (text) => {
        const { copyToClipboard } = await import('./clipboard.ts');
        return copyToClipboard(text, clipboardMethods(process.env), (sequence) =>
          process.stdout.write(sequence),
        );
      },
      save: async (name, text) =>
        (await import('../servers/saved-files.ts')).saveText(process.env, name, text),
      launcher: commandFor('fathomd', { env: process.env, cwd: process.cwd() }, PACKAGE),
      targetArguments: explicit || to !== target ? argumentsFor(to) : '',
      ownsDaemon: to === target && process.env['FATHOM_OWNS_DAEMON'] === '1',
      address: describeTarget(to),
      title: named?.name ?? 'Fathom',
      connectTo: changeTo,
      leave(daemon) {
        if (daemon === 'stop') exitCode = EXIT.stopDaemon;
        screen.unmount();
      },
    });
  const changeTo = async (other: Profile) => {
    const to = targetOfProfile(other);
    const next = await open(to);
    connection.close();
    connection = next;
    servers.state.update((state) => ({ ...state, current: other.name }));
    screen.show(consoleFor(to, other, next));
  };
  const screen = openScreen(consoleFor(target, profile, connection));
  const crash = (error: unknown) => {
    screen.unmount();
    reportCrash(error);
    process.exit(EXIT.crash);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  try {
    await screen.ended;
  } catch (error) {
    crash(error);
  }
  const { link } = connection.fleet.store.get();
  connection.close();
  const keepsRunning = exitCode === EXIT.done && link.kind === 'live';
  return { exitCode, message: keepsRunning ? 'The daemon keeps running.' : null };
}

function reportCrash(error: unknown): void {
  process.stderr.write(`fathom-tui: crashed. The daemon is not affected.\n${inspect(error)}\n`);
}
