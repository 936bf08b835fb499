#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs';
import { enableCompileCache, registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from '../shared/client/http.ts';
import type { Console } from './screens/console.ts';
import type { ThemeName } from './theme.ts';

// Only what every start needs is imported above: the rest is loaded below, after the environment is set for it, and
// while the connection is already on its way.

const EXIT = { done: 0, usage: 2, stopDaemon: 3, noTerminal: 69, crash: 70 } as const;

interface Options {
  target: Target;
  readOnly: boolean;
  theme: ThemeName | undefined;
}

interface GivenOptions {
  url?: string;
  socket?: string;
  'read-only'?: boolean;
  theme?: ThemeName;
}

async function main(): Promise<void> {
  cacheCompiledCode();
  const options = await readOptions(process.argv.slice(2));
  if (options === null) return;
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    console.error("fathom-tui: needs a terminal; 'fathomd status' and the other commands of fathomd do not");
    process.exitCode = EXIT.noTerminal;
    return;
  }
  // React reads it while it loads: unset, it would load its development build, which is half as fast.
  process.env['NODE_ENV'] ??= 'production';
  // Ink's colours do not know NO_COLOR.
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  loadLess();
  // Warnings of Node would be written across the screen.
  process.removeAllListeners('warning');
  await runConsole(options);
}

/**
 * Ink takes one function from a library of 415 modules, whose loading takes a third of the start. Its own module is
 * loaded instead; where that is not found (another version), all of them are, as before.
 */
function loadLess(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      if (specifier !== 'es-toolkit/compat') return resolved;
      const url = new URL('./function/throttle.mjs', resolved.url);
      return existsSync(fileURLToPath(url)) ? { ...resolved, url: url.href } : resolved;
    },
  });
}

async function runConsole({ target, readOnly, theme }: Options): Promise<void> {
  const { connectFleet } = await import('./store/fleet-connection.ts');
  const token = process.env['FATHOM_TOKEN'];
  const fleet = connectFleet({
    target,
    ...(token ? { token } : {}),
    commands: async () => {
      const { FathomClient } = await import('../shared/client/fathom-client.ts');
      const client = new FathomClient({ target, token });
      return { status: () => client.status(), ...client.databases };
    },
  });
  const [
    { render },
    { createElement },
    { App },
    { Observable },
    { initialUi },
    { createRowSelector },
    themes,
    targets,
  ] = await Promise.all([
    import('ink'),
    import('react'),
    import('./app.tsx'),
    import('./store/observable.ts'),
    import('./store/ui-state.ts'),
    import('./store/rows.ts'),
    import('./theme.ts'),
    import('./store/target.ts'),
  ]);
  let exitCode: number = EXIT.done;
  const app: Console = {
    fleet,
    ui: new Observable(initialUi()),
    rows: createRowSelector(),
    themes: themes.createThemes(themes.chooseTheme(process.env, { option: theme })),
    readOnly,
    ownsDaemon: process.env['FATHOM_OWNS_DAEMON'] === '1',
    address: targets.describeTarget(target),
    leave(daemon) {
      if (daemon === 'stop') exitCode = EXIT.stopDaemon;
      screen.unmount();
    },
  };
  const screen = render(createElement(App, { console: app }), {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    // A terminal is a terminal, whatever the environment says about continuous integration.
    interactive: true,
    maxFps: 60,
  });
  const crash = (error: unknown) => {
    screen.unmount();
    console.error('fathom-tui: has crashed; the daemon is not affected.');
    console.error(error);
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
  if (exitCode === EXIT.done && link.kind === 'live')
    console.log('Left the console; the daemon keeps running.');
  process.exit(exitCode);
}

/** Null when there is nothing more to do. The library for options is only loaded when there are any. */
async function readOptions(args: readonly string[]): Promise<Options | null> {
  const { resolveTarget } = await import('./store/target.ts');
  const given = args.length === 0 ? {} : await parseOptions(args);
  if (given === null) return null;
  try {
    const target = resolveTarget({
      url: given.url,
      socket: given.socket,
      env: process.env,
      cwd: process.cwd(),
    });
    return { target, readOnly: given['read-only'] ?? false, theme: given.theme };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

async function parseOptions(args: readonly string[]): Promise<GivenOptions | null> {
  const { default: yargs } = await import('yargs');
  const { closestOption } = await import('./store/closest-option.ts');
  const { THEME_NAMES } = await import('./theme.ts');
  const parser = yargs([...args])
    .scriptName('fathom-tui')
    .usage(
      '$0 [--url U | --socket S] [--read-only] [--theme T]\n\nThe console of Fathom: watches and steers the fleet of a daemon.',
    )
    .option('url', {
      type: 'string',
      requiresArg: true,
      describe: 'address of the daemon, like http://127.0.0.1:3000',
    })
    .option('socket', {
      type: 'string',
      requiresArg: true,
      describe:
        'local socket of the daemon; default: FATHOM_SOCKET, else the one below FATHOM_DATA_DIR or ./var',
    })
    .option('read-only', { type: 'boolean', describe: 'switch actions off in this console' })
    .option('theme', {
      choices: THEME_NAMES,
      requiresArg: true,
      describe:
        'colours for this background, or the sixteen of the terminal; default: what the terminal tells',
    })
    .conflicts('url', 'socket')
    .epilogue('FATHOM_TOKEN holds the session or API key for --url; the local socket needs none.')
    .version(version())
    .help()
    .parserConfiguration({
      'duplicate-arguments-array': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
    })
    .strict()
    .exitProcess(false)
    .fail(false);
  try {
    const parsed = await parser.parse();
    if ('help' in parsed || 'version' in parsed) return null;
    return parsed as GivenOptions;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const meant = closestOption(args, ['url', 'socket', 'read-only', 'theme', 'version', 'help']);
    return refuse(meant === null ? message : `${message}; did you mean --${meant}?`);
  }
}

function refuse(message: string): null {
  console.error(`fathom-tui: ${message}`);
  console.error("Try 'fathom-tui --help'.");
  process.exitCode = EXIT.usage;
  return null;
}

/**
 * Node keeps the compiled code of the modules, which saves a third of the start. In the user's own directory: the
 * default is below the temporary directory, where others could leave code for the administrator to run.
 */
function cacheCompiledCode(): void {
  const home = process.env['XDG_CACHE_HOME'] || (process.env['HOME'] && join(process.env['HOME'], '.cache'));
  if (home) enableCompileCache(join(home, 'fathom'));
}

function version(): string {
  // From the source it is one folder up, from `dist/` two.
  for (const up of ['..', '../..']) {
    try {
      const text = readFileSync(join(import.meta.dirname, up, 'package.json'), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

await main();
