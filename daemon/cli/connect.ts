import type { Options } from 'yargs';
import { FathomClient } from '../../shared/client/fathom-client.ts';
import type { HttpClientOptions } from '../../shared/client/http.ts';
import { loadClientConfig } from '../config/client-config.ts';
import type { CliContext } from './context.ts';

export const CONNECT_OPTIONS = {
  socket: {
    type: 'string',
    requiresArg: true,
    conflicts: 'url',
    describe: 'local socket of the daemon (default: FATHOM_SOCKET)',
  },
  url: {
    type: 'string',
    requiresArg: true,
    describe: 'address of a daemon, with the token of an administrator in FATHOM_TOKEN',
  },
} as const satisfies Readonly<Record<string, Options>>;

export interface ConnectArguments {
  socket?: string | undefined;
  url?: string | undefined;
}

/** The daemon that the arguments name, else the one of the configuration. A token comes from FATHOM_TOKEN only. */
export function connectionOf({ socket, url }: ConnectArguments, context: CliContext): HttpClientOptions {
  const { env, cwd } = context;
  const token = env['FATHOM_TOKEN'] || undefined;
  if (url !== undefined) return { target: { url }, token };
  const socketPath = socket ?? loadClientConfig({ commandLine: {}, env, cwd }).socketPath;
  return { target: { socketPath }, token };
}

export function connect(args: ConnectArguments, context: CliContext): FathomClient {
  return new FathomClient(connectionOf(args, context));
}
