import { resolve } from 'node:path';
import type { Target } from '../../../shared/client/http.ts';
import { FathomError } from '../../../shared/errors.ts';
import { findDaemonSocket, readSettingsFiles } from '../../../shared/settings-files.ts';

export interface TargetInput {
  url: string | undefined;
  socket: string | undefined;
  dataDir?: string | undefined;
  envFile?: string | undefined;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/**
 * Which daemon to connect to: the URL or socket of the command line, else the one that the settings name, as for `fathomd`.
 *
 * @throws Error with a sentence when the address or the env file cannot be used
 */
export function resolveTarget({ url, socket, dataDir, envFile, env, cwd }: TargetInput): Target {
  if (url !== undefined) return { url: checkedUrl('--url', url) };
  if (socket !== undefined) return { socketPath: resolve(cwd, socket) };
  try {
    return { socketPath: configuredSocket({ dataDir, envFile, env, cwd }) };
  } catch (error) {
    const [field] = error instanceof FathomError ? error.fields : [];
    throw field === undefined ? error : new Error(field.message, { cause: error });
  }
}

function configuredSocket({
  dataDir,
  envFile,
  env,
  cwd,
}: Pick<TargetInput, 'dataDir' | 'envFile' | 'env' | 'cwd'>): string {
  const settings = readSettingsFiles({ commandLine: { dataDir, envFile }, env, cwd });
  const { namedFileProblem: problem } = settings;
  if (envFile !== undefined && problem !== null) {
    throw new Error(`--env-file ${problem.path} cannot be read (${problem.error}); name a readable file`);
  }
  return findDaemonSocket(settings, cwd);
}

/** @throws Error with a sentence about `what` */
export function checkedUrl(what: string, text: string): string {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error(`${what} ${text}: needs an http or https address, for example http://127.0.0.1:3000`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error(`${what} must not contain a user name or password: sign in, or set FATHOM_TOKEN`);
  }
  return url.href;
}

/** The options that connect fathomd to the same daemon, with a space before them. */
export function argumentsFor(target: Target): string {
  const [option, value] = 'url' in target ? ['--url', target.url] : ['--socket', target.socketPath];
  return ` ${option} ${/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`}`;
}

/** The URL or the socket path, as text for users. */
export function describeTarget(target: Target): string {
  return 'url' in target ? target.url.replace(/\/$/, '') : target.socketPath;
}
