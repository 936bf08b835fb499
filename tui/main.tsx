#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { exemptFromProxy } from '../shared/proxy-exemptions.ts';

// Only what every start needs is loaded at once; the rest while the connection is already on its way.

/**
 * Node keeps the compiled code of the modules, which saves a third of the start. In the user's own directory: the
 * default is below the temporary directory, where others could leave code for the administrator to run.
 */
function cacheCompiledCode(): void {
  const home = process.env['XDG_CACHE_HOME'] || (process.env['HOME'] && join(process.env['HOME'], '.cache'));
  if (home) enableCompileCache(join(home, 'fathom'));
}

/** What has to be so before React and Ink are loaded. */
function prepareEnvironment(): void {
  // Ink's colours do not know NO_COLOR.
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  // Warnings of Node would be written across the screen.
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
    console.error("fathom-tui: needs a terminal; 'fathomd status' and the other commands of fathomd do not");
    return EXIT.noTerminal;
  }
  prepareEnvironment();
  const { exitCode, farewell } = await runConsole(read.options, files);
  if (farewell !== null) (exitCode === EXIT.done ? console.log : console.error)(farewell);
  return exitCode;
}

process.exit(await main());
