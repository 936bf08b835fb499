import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Target } from '../../shared/client/http.ts';

export interface TargetInput {
  url: string | undefined;
  socket: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** Of a packaged installation. */
const SYSTEM_SOCKET = '/run/fathom/fathomd.sock';

/**
 * Which daemon to connect to: what was asked for, else the socket that the environment names, else that of a
 * checkout in this directory, else the one of the system.
 * @throws Error with a sentence when the address is none.
 */
export function resolveTarget({ url, socket, env, cwd }: TargetInput): Target {
  if (url !== undefined) return { url: checkedUrl('--url', url) };
  if (socket !== undefined) return { socketPath: resolve(cwd, socket) };
  if (env['FATHOM_SOCKET']) return { socketPath: resolve(cwd, env['FATHOM_SOCKET']) };
  if (env['FATHOM_DATA_DIR']) return { socketPath: resolve(cwd, env['FATHOM_DATA_DIR'], 'run/fathomd.sock') };
  const local = join(cwd, 'var/run/fathomd.sock');
  return { socketPath: existsSync(local) ? local : SYSTEM_SOCKET };
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

/** For people: the address, or the path of the socket. */
export function describeTarget(target: Target): string {
  return 'url' in target ? target.url.replace(/\/$/, '') : target.socketPath;
}
