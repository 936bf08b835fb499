import { join, resolve } from 'node:path';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import { findDaemonSocket, type SettingsInput } from '../../../shared/settings-files.ts';
import { refuseRootIn } from '../../base/process-account.ts';
import { type LoadedConfig, loadConfig } from '../../config/config.ts';
import { ensureSecrets, generateSecret } from '../../config/sources/secrets-file.ts';
import { readSources } from '../../config/sources/sources.ts';
import { GENERATED_SECRETS } from '../../config/sources/variables.ts';
import { type CliContext, printLine } from '../context.ts';
import { awaitReady } from './await-ready.ts';
import { printNextSteps } from './next-steps.ts';
import { serveConfig } from './run/serve.ts';
import { serviceContext } from './run/service-context.ts';

export interface StartArguments {
  dataDir?: string | undefined;
  demo: boolean;
}

const POLL_EVERY_MS = 200;

/** On a terminal, starts the daemon and opens the console. Otherwise, runs the daemon in the foreground. `npm start` calls it. */
export async function start({ dataDir, demo }: StartArguments, context: CliContext): Promise<number> {
  const input: SettingsInput = { commandLine: { dataDir }, env: context.env, cwd: context.cwd };
  if (context.stdin.isTTY !== true || context.stdout.isTTY !== true) {
    const loaded = await loadWithSecrets(input, context);
    return startInForeground(
      loaded,
      { demo, dataDir, load: () => loadConfig(input) },
      serviceContext(context),
    );
  }
  const sources = readSources(input);
  // Throws when the daemon is one of another user. The daemon of an installation is not the one to start.
  const socketPath = findDaemonSocket(sources, context.cwd, sources.socketPath);
  const terminal = await import('./start-on-terminal.ts');
  const status = await statusOf(socketPath);
  if (status !== null) return terminal.openOnRunning({ socketPath, pid: status.pid, dataDir }, context);
  const loaded = await loadWithSecrets(input, context);
  return terminal.startOnTerminal(loaded, { demo, dataDir }, context);
}

/** Generates missing secrets and returns the settings. If a setting is invalid, no file is written. */
export async function loadWithSecrets(input: SettingsInput, { stderr }: CliContext): Promise<LoadedConfig> {
  const { dataDir, namedFile, get } = readSources(input);
  refuseRootIn(dataDir);
  // With a named file, the data directory's own .env is not read: secrets there would have no effect.
  if (namedFile !== null) return loadConfig(input);
  const userDatabasesDir = resolve(input.cwd, get('PB_USER_DBS_PATH')?.trim() ?? join(dataDir, 'user_dbs'));
  const missing = GENERATED_SECRETS.filter((name) => get(name) === undefined);
  const standIns = Object.fromEntries(missing.map((name) => [name, generateSecret(name)]));
  loadConfig({ ...input, env: { ...input.env, ...standIns } });
  const added = await ensureSecrets({ dataDir, userDatabasesDir, missing });
  if (added.length > 0) printLine(stderr, `fathomd: generated ${added.join(', ')} into ${dataDir}/.env`);
  return loadConfig(input);
}

async function startInForeground(
  loaded: LoadedConfig,
  options: StartArguments & { load: () => LoadedConfig },
  context: CliContext,
): Promise<number> {
  const client = createClient({ target: { socketPath: loaded.config.socketPath } });
  const onRunning = async (stopping: AbortSignal): Promise<void> => {
    const status = await awaitReady({
      status: (signal) => client.daemon.status({ signal }),
      onWaiting: () => {},
      signal: stopping,
      pollEveryMs: POLL_EVERY_MS,
    });
    if (status === null) return;
    printNextSteps(loaded, status, options.dataDir, context);
  };
  return serveConfig(loaded, { ...options, onRunning }, context);
}

/** Null if no daemon runs. */
async function statusOf(socketPath: string): Promise<DaemonStatus | null> {
  try {
    return await createClient({ target: { socketPath } }).daemon.status();
  } catch (error) {
    if (error instanceof FathomError && error.code === 'daemon.unreachable') return null;
    throw error;
  }
}
