#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { exemptFromProxy } from '../shared/proxy-exemptions.ts';

// Only modules that every start needs are loaded first; the others while the console already connects.

/**
 * Caches the compiled code of the modules, which saves a third of the start. Uses the user's own directory: in the
 * default, below the temporary directory, other users could place code that the administrator then runs.
 */
function cacheCompiledCode(): void {
  const home = process.env['XDG_CACHE_HOME'] || (process.env['HOME'] && join(process.env['HOME'], '.cache'));
  if (home) enableCompileCache(join(home, 'fathom'));
}

/** Call this before React and Ink are loaded. */
function prepareEnvironment(): void {
  // Ink ignores NO_COLOR.
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  // Node would print warnings over the screen.
  process.removeAllListeners('warning');
}

async function main(): Promise<number> {
  exemptFromProxy();
  cacheCompiledCode();
  const [{ readOptions }, { EXIT, runConsole }, { lazySettings }] = await Promise.all([
    import('./launch/options.ts'),
    import('./launch/run-console.ts'),
    import('./servers/profile-files.ts'),
  ]);
  const files = lazySettings(process.env);
  const read = await readOptions(process.argv.slice(2), async () => (await files()).profiles);
  if (read.kind === 'answered') {
    console.log(read.text);
    return EXIT.done;
  }
  if (read.kind === 'refused') {
    console.error(`fathom-tui: ${read.message}\nTry 'fathom-tui --help'.`);
    return EXIT.usage;
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    console.error(
      "fathom-tui: needs a terminal. Use 'fathomd status' and other fathomd commands without one.",
    );
    return EXIT.noTerminal;
  }
  prepareEnvironment();
  const { exitCode, message } = await runConsole(read.options, files);
  if (message !== null) (exitCode === EXIT.done ? console.log : console.error)(message);
  return exitCode;
}

process.exit(await main());
