import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Target } from '../../../shared/client/http.ts';
import { messageOf } from '../../../shared/errors.ts';

export interface TargetInput {
  url: string | undefined;
  socket: string | undefined;
  dataDir?: string | undefined;
  envFile?: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** Of a packaged installation. */
const SYSTEM_SOCKET = '/run/fathom/fathomd.sock';

/**
 * Which daemon to connect to: what was asked for, else the socket that the environment names, else that of a
 * checkout in this directory, else the one of the system. A data directory and an env file count as they do for the daemon:
 * a socket that is set comes before the one below the data directory.
 * @throws Error with a sentence when the address is none.
 */
export function resolveTarget({ url, socket, dataDir, envFile, env, cwd }: TargetInput): Target {
  if (url !== undefined) return { url: checkedUrl('--url', url) };
  if (socket !== undefined) return { socketPath: resolve(cwd, socket) };
  const file = envFile === undefined ? {} : readEnvFile(resolve(cwd, envFile));
  const named = env['FATHOM_SOCKET'] || file['FATHOM_SOCKET'];
  if (named) return { socketPath: resolve(cwd, named) };
  const data = dataDir ?? (env['FATHOM_DATA_DIR'] || file['FATHOM_DATA_DIR']);
  if (data) return { socketPath: resolve(cwd, data, 'run/fathomd.sock') };
  const local = join(cwd, 'var/run/fathomd.sock');
  return { socketPath: existsSync(local) ? local : SYSTEM_SOCKET };
}

function readEnvFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`--env-file ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws Error with a sentence about `what` */
export function checkedUrl(what: string, text: string): string {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error(`${what} ${text}: needs an http or https address, for example http://127.0.0.1:3000`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error(`${what} must not hold a password: sign in, or set FATHOM_TOKEN`);
  }
  return url.href;
}

/** Options that name the same daemon to a command of fathomd, with a space before them. */
export function argumentsFor(target: Target): string {
  const [option, value] = 'url' in target ? ['--url', target.url] : ['--socket', target.socketPath];
  return ` ${option} ${/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}`;
}

/** For people: the address, or the path of the socket. */
export function describeTarget(target: Target): string {
  return 'url' in target ? target.url.replace(/\/$/, '') : target.socketPath;
}
