import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type EnvFile, ownUsers, type RefusedFile, readEnvFile, type UnreadableFile } from './env-file.ts';
import { FathomError } from './errors.ts';
import { type SettingValues, valueOf } from './setting-names.ts';

/** Below the working directory. */
export const DEFAULT_DATA_DIR = 'var';

export interface SettingsInput {
  commandLine: {
    envFile?: string | undefined;
    dataDir?: string | undefined;
    /** Other settings by name. */
    settings?: Readonly<Record<string, string>>;
  };
  env: SettingValues;
  /** Relative paths and the files `.env` and `.env.local` are looked up here. */
  cwd: string;
}

/** One source of values. */
export interface SettingsLayer {
  origin: string;
  values: SettingValues;
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
  /** Files that another user can change. Their values are not used. */
  refused: readonly RefusedFile[];
  /** Every source that was read, the strongest first. */
  layers: readonly SettingsLayer[];
}

/**
 * Reads the sources of settings: command line > environment > credentials > `.env` > `.env.local` (both in the working
 * directory) > `$FATHOM_DATA_DIR/.env`, where the first start keeps its secrets. A file named by `--env-file` or
 * FATHOM_ENV_FILE replaces the three files. Nothing is written to `process.env`: child processes get only what they need.
 *
 * @param credentials what systemd hands to a service
 * @throws FathomError `config.invalid` when another user can change one of the files
 */
export function readSettingsFiles(
  input: SettingsInput,
  credentials: readonly SettingsLayer[] = [],
): SettingsFiles {
  const settings = inspectSettingsFiles(input, credentials);
  if (settings.refused.length > 0) throw refusedFiles(settings.refused);
  return settings;
}

/** Like `readSettingsFiles`, and returns the files that it would reject in `refused`. */
export function inspectSettingsFiles(
  { commandLine, env, cwd }: SettingsInput,
  credentials: readonly SettingsLayer[] = [],
): SettingsFiles {
  const files: EnvFile[] = [];
  const unreadable: UnreadableFile[] = [];
  const refused: RefusedFile[] = [];
  const own = ownUsers();
  let namedFileProblem: UnreadableFile | null = null;
  const layers: SettingsLayer[] = [
    {
      origin: 'the command line',
      // `--data-dir` is the same as `--fathom-data-dir`.
      values: {
        ...commandLine.settings,
        ...(commandLine.dataDir === undefined ? {} : { FATHOM_DATA_DIR: commandLine.dataDir }),
      },
    },
    { origin: 'the environment', values: env },
    ...credentials,
  ];
  /** Returns why the file cannot be read; null if it was added or refused, now or before. */
  const add = (path: string, trusted = own): UnreadableFile | null => {
    if ([...files, ...refused].some((file) => file.path === path)) return null;
    const file = readEnvFile(path, trusted);
    if ('error' in file) return file;
    if ('refusal' in file) {
      refused.push(file);
      return null;
    }
    files.push(file);
    layers.push({ origin: path, values: file.values });
    return null;
  };
  const addIfThere = (path: string, trusted = own): void => {
    const problem = add(path, trusted);
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
  const dataDir = resolve(cwd, settingIn(layers, 'FATHOM_DATA_DIR')?.trim() ?? DEFAULT_DATA_DIR);
  if (namedFile === null) {
    // Who names a data directory trusts its owner. The default is in the working directory, which can be of any user.
    const isNamed = layerWith(layers, 'FATHOM_DATA_DIR') !== undefined;
    const owner = isNamed ? statSync(dataDir, { throwIfNoEntry: false })?.uid : undefined;
    addIfThere(join(dataDir, '.env'), own && owner !== undefined ? new Set([...own, owner]) : own);
  }
  return { dataDir, files, namedFile, namedFileProblem, unreadable, refused, layers };
}

function refusedFiles(refused: readonly RefusedFile[]): FathomError {
  return new FathomError('config.invalid', 'the configuration is not valid:', {
    fields: refused.map(({ path, refusal }) => ({ path, message: refusal })),
  });
}

/** The strongest source that sets `name`. */
export function layerWith(layers: readonly SettingsLayer[], name: string): SettingsLayer | undefined {
  return layers.find(({ values }) => valueOf(values, name) !== undefined);
}

/** The value of `name` in the strongest source that sets it. */
export function settingIn(layers: readonly SettingsLayer[], name: string): string | undefined {
  return valueOf(layerWith(layers, name)?.values ?? {}, name);
}

/** Where the daemon of these settings listens: FATHOM_SOCKET, else `run/fathomd.sock` below its data directory. */
export function socketOf(
  { layers, dataDir }: Pick<SettingsFiles, 'layers' | 'dataDir'>,
  cwd: string,
): string {
  const socket = settingIn(layers, 'FATHOM_SOCKET')?.trim();
  return socket === undefined ? join(dataDir, 'run', 'fathomd.sock') : resolve(cwd, socket);
}

/** The socket of a daemon that `fathomd install` made. */
export const SYSTEM_SOCKET = '/run/fathom/fathomd.sock';

/**
 * The socket of the daemon that a command or the console is meant for: the one of its settings. Without any setting that
 * names one, and with no daemon below `./var`, it is the installed daemon of this host.
 *
 * @throws FathomError `config.invalid` when `./var` belongs to another user, who would get passwords
 */
export function findDaemonSocket(settings: SettingsFiles, cwd: string, systemSocket = SYSTEM_SOCKET): string {
  const socket = socketOf(settings, cwd);
  const isNamed = ['FATHOM_SOCKET', 'FATHOM_DATA_DIR'].some((name) => layerWith(settings.layers, name));
  if (isNamed || settings.namedFile !== null) return socket;
  if (!existsSync(socket)) return existsSync(systemSocket) ? systemSocket : socket;
  refuseDefaultOfOthers(settings.dataDir);
  return socket;
}

function refuseDefaultOfOthers(dataDir: string): void {
  const { uid } = statSync(dataDir);
  const trusted = ownUsers();
  if (trusted === null || trusted.has(uid)) return;
  const refusal = `${dataDir} belongs to another user (uid ${uid}), whose daemon would get what this command sends; name it with --data-dir if you trust that user`;
  throw refusedFiles([{ path: 'FATHOM_DATA_DIR', refusal }]);
}
