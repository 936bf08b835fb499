import type { Options } from 'yargs';
import { createClient, type FathomClient } from '../../shared/client/fathom-client.ts';
import type { HttpClientOptions } from '../../shared/client/http.ts';
import { FathomError } from '../../shared/errors.ts';
import { findDaemonSocket, readSettingsFiles } from '../../shared/settings-files.ts';
import type { CliContext } from './context.ts';

export const CONNECT_OPTIONS = {
  socket: {
    type: 'string',
    requiresArg: true,
    conflicts: 'url',
    describe: 'Local socket of the daemon (default: FATHOM_SOCKET)',
  },
  url: {
    type: 'string',
    requiresArg: true,
    describe: 'Address of a daemon; FATHOM_TOKEN holds the token of an administrator',
  },
  'data-dir': {
    type: 'string',
    requiresArg: true,
    conflicts: ['url', 'socket'],
    describe: 'Data directory of the daemon, as for serve',
  },
  'env-file': {
    type: 'string',
    requiresArg: true,
    conflicts: ['url', 'socket'],
    describe: 'Env file of the daemon, as for serve',
  },
} as const satisfies Readonly<Record<string, Options>>;

const { url: _, ...local } = CONNECT_OPTIONS;

/** Options of commands for a daemon on this host. */
export const LOCAL_OPTIONS = local;

export interface ConnectArguments {
  socket?: string | undefined;
  url?: string | undefined;
  'data-dir'?: string | undefined;
  'env-file'?: string | undefined;
}

/** The daemon that the arguments name, otherwise the one of the settings. The token is always FATHOM_TOKEN. */
export function connectionOf(args: ConnectArguments, context: CliContext): HttpClientOptions {
  const token = context.env['FATHOM_TOKEN'] || undefined;
  if (args.url !== undefined) return { target: { url: args.url }, token };
  return { target: { socketPath: args.socket ?? configuredSocket(args, context) }, token };
}

function configuredSocket(
  { 'data-dir': dataDir, 'env-file': envFile }: ConnectArguments,
  { env, cwd }: CliContext,
): string {
  const settings = readSettingsFiles({ commandLine: { dataDir, envFile }, env, cwd });
  // A file of the environment that this user may not read says nothing about where the daemon listens.
  const { namedFileProblem: problem } = settings;
  if (envFile === undefined || problem === null) return findDaemonSocket(settings, cwd);
  const message = `${problem.path} cannot be read (${problem.error}); name a readable file`;
  throw new FathomError('config.invalid', 'the env file cannot be read:', {
    fields: [{ path: '--env-file', message }],
  });
}

export function connect(args: ConnectArguments, context: CliContext): FathomClient {
  return createClient(connectionOf(args, context));
}
