import { packageVersion } from '../base/package.ts';
import { type LoadedConfig, loadConfig } from '../config/config.ts';
import { type CliContext, printLine } from './context.ts';
import { type ForegroundOptions, runInForeground } from './foreground.ts';
import { printable } from './printable.ts';

export interface ServeArguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  demo: boolean;
}

/** Generates nothing: a service that cannot find its secrets must not make itself new ones. */
export async function serve(
  { envFile, dataDir, demo }: ServeArguments,
  context: CliContext,
): Promise<number> {
  const { env, cwd } = context;
  const loaded = loadConfig({ commandLine: { envFile, dataDir }, env, cwd });
  return serveConfig(loaded, { demo }, context);
}

export async function serveConfig(
  { config, warnings }: LoadedConfig,
  { demo, onRunning }: { demo: boolean } & Pick<ForegroundOptions, 'onRunning'>,
  context: CliContext,
): Promise<number> {
  printWarnings(warnings, context);
  const { runDaemon } = await import('../daemon.ts');
  return runInForeground({
    launch: () => runDaemon(config, { demo, version: packageVersion() }),
    ...(onRunning === undefined ? {} : { onRunning }),
    context,
    signals: process,
    exit: (code) => process.exit(code),
  });
}

export function printWarnings(warnings: readonly string[], { stderr }: CliContext): void {
  for (const warning of warnings) printLine(stderr, printable(`fathomd: warning: ${warning}`));
}
