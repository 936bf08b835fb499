import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'dotenv';

/** Below the working directory. */
export const DEFAULT_DATA_DIR = 'var';

export interface SettingsInput {
  commandLine: { envFile?: string | undefined; dataDir?: string | undefined };
  env: Readonly<Record<string, string | undefined>>;
  /** Relative paths and the files `.env` and `.env.local` are looked up here. */
  cwd: string;
}

/** One source of values. */
export interface SettingsLayer {
  origin: string;
  values: Readonly<Record<string, string | undefined>>;
}

export interface EnvFile {
  path: string;
  /** Permission bits. */
  mode: number;
  text: string;
  values: Readonly<Record<string, string>>;
}

export interface UnreadableFile {
  path: string;
  /** The code of the system, like `EACCES`. */
  error: string;
}

export interface SettingsFiles {
  /** Absolute. */
  dataDir: string;
  /** The files that were found, the strongest first. */
  files: readonly EnvFile[];
  /** By `--env-file` or FATHOM_ENV_FILE: then no other file is read, not even `$FATHOM_DATA_DIR/.env`. Null without one. */
  namedFile: string | null;
  /** Why the named file cannot be read; null if it was read, or no file is named. */
  namedFileProblem: UnreadableFile | null;
  /** Other files that exist and cannot be read. */
  unreadable: readonly UnreadableFile[];
  /** Every source that was read, the strongest first. */
  layers: readonly SettingsLayer[];
}

/**
 * Reads the sources of settings: command line > environment > credentials > `.env` > `.env.local` (both in the working
 * directory) > `$FATHOM_DATA_DIR/.env`, where the first start keeps its secrets. A file named by `--env-file` or
 * FATHOM_ENV_FILE replaces the three files. Nothing is written to `process.env`: child processes get only what they need.
 *
 * @param credentials what systemd hands to a service
 */
export function readSettingsFiles(
  { commandLine, env, cwd }: SettingsInput,
  credentials: readonly SettingsLayer[] = [],
): SettingsFiles {
  const files: EnvFile[] = [];
  const unreadable: UnreadableFile[] = [];
  let namedFileProblem: UnreadableFile | null = null;
  const layers: SettingsLayer[] = [
    { origin: 'the command line', values: { FATHOM_DATA_DIR: commandLine.dataDir } },
    { origin: 'the environment', values: env },
    ...credentials,
  ];
  /** Returns why the file cannot be read; null if it was added, now or before. */
  const add = (path: string): UnreadableFile | null => {
    if (files.some((file) => file.path === path)) return null;
    const file = readEnvFile(path);
    if ('error' in file) return { path, ...file };
    files.push(file);
    layers.push({ origin: path, values: file.values });
    return null;
  };
  const addIfThere = (path: string): void => {
    const problem = add(path);
    if (problem !== null && !['ENOENT', 'ENOTDIR'].includes(problem.error)) unreadable.push(problem);
  };

  const envFile = commandLine.envFile ?? (env['FATHOM_ENV_FILE'] || undefined);
  const namedFile = envFile === undefined ? null : resolve(cwd, envFile);
  if (namedFile !== null) {
    namedFileProblem = add(namedFile);
  } else {
    addIfThere(join(cwd, '.env'));
    addIfThere(join(cwd, '.env.local'));
  }
  const dataDir = resolve(
    cwd,
    layerWith(layers, 'FATHOM_DATA_DIR')?.values['FATHOM_DATA_DIR']?.trim() ?? DEFAULT_DATA_DIR,
  );
  if (namedFile === null) addIfThere(join(dataDir, '.env'));
  return { dataDir, files, namedFile, namedFileProblem, unreadable, layers };
}

/** The strongest source that sets `name`. An empty value counts as not set: `LOG_DIR=` in a file sets nothing. */
export function layerWith(layers: readonly SettingsLayer[], name: string): SettingsLayer | undefined {
  return layers.find(({ values }) => values[name] !== undefined && values[name].trim() !== '');
}

export function readEnvFile(path: string): EnvFile | { error: string } {
  try {
    const text = readFileSync(path, 'utf8');
    return { path, mode: statSync(path).mode & 0o777, text, values: parse(text) };
  } catch (error) {
    return { error: error instanceof Error && 'code' in error ? String(error.code) : 'unknown error' };
  }
}

/** Where the daemon of these settings listens: FATHOM_SOCKET, else `run/fathomd.sock` below its data directory. */
export function socketOf(
  { layers, dataDir }: Pick<SettingsFiles, 'layers' | 'dataDir'>,
  cwd: string,
): string {
  const socket = layerWith(layers, 'FATHOM_SOCKET')?.values['FATHOM_SOCKET']?.trim();
  return socket === undefined ? join(dataDir, 'run', 'fathomd.sock') : resolve(cwd, socket);
}

/** The socket of a daemon that `fathomd install` made. */
export const SYSTEM_SOCKET = '/run/fathom/fathomd.sock';

/**
 * The socket of the daemon that a command or the console is meant for: the one of its settings. Without any setting that
 * names one, and with no daemon below `./var`, it is the installed daemon of this host.
 */
export function findDaemonSocket(settings: SettingsFiles, cwd: string, systemSocket = SYSTEM_SOCKET): string {
  const socket = socketOf(settings, cwd);
  const isNamed = ['FATHOM_SOCKET', 'FATHOM_DATA_DIR'].some((name) => layerWith(settings.layers, name));
  return isNamed || settings.namedFile !== null || existsSync(socket) || !existsSync(systemSocket)
    ? socket
    : systemSocket;
}
