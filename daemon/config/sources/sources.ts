import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'dotenv';
import { closestWord } from '../../../shared/closest.ts';
import type { FieldError } from '../../../shared/errors.ts';
import { readCredentials } from './credentials.ts';
import { type CutValue, cutValues } from './env-lines.ts';
import {
  GENERATED_SECRETS,
  isSecret,
  OTHER_VARIABLES,
  SETTINGS,
  VARIABLES,
  type Variable,
} from './variables.ts';

export interface ConfigInput {
  commandLine: { envFile?: string | undefined; dataDir?: string | undefined };
  env: Readonly<Record<string, string | undefined>>;
  /** Relative paths and the files `.env` and `.env.local` are looked up here. */
  cwd: string;
}

export interface EnvFile {
  path: string;
  /** Permission bits. */
  mode: number;
  values: Readonly<Record<string, string>>;
  /** Values that a `#` cuts short. */
  cut: readonly CutValue[];
}

/** Where values come from, before anything is validated. */
export interface Sources {
  /** Absolute. */
  dataDir: string;
  /** The files that were found, the strongest first. */
  files: readonly EnvFile[];
  /** By `--env-file` or FATHOM_ENV_FILE: then no other file is read, not even `$FATHOM_DATA_DIR/.env`. Null without one. */
  namedFile: string | null;
  warnings: readonly string[];
  problems: readonly FieldError[];
  /** The value that wins. An empty one counts as not set, so that `LOG_DIR=` in a file means what it looks like. */
  get: (name: Variable) => string | undefined;
  /** Where that value stands, for a message: a file's path, `the environment` or `the command line`. */
  originOf: (name: Variable) => string | undefined;
  /** Every place that was read, the strongest first, then the usual files that a named file replaces. */
  everywhere: () => readonly Layer[];
}

export interface Layer {
  origin: string;
  values: Readonly<Record<string, string | undefined>>;
}

/**
 * Command line > environment > credentials > `.env` > `.env.local`, the two files in the working directory, then
 * `$FATHOM_DATA_DIR/.env`, where the first start keeps its secrets. A file named by `--env-file` or by FATHOM_ENV_FILE
 * replaces all three.
 * Nothing is written to `process.env`: child processes get only what they are handed.
 */
export function readSources({ commandLine, env, cwd }: ConfigInput): Sources {
  const warnings: string[] = [];
  const problems: FieldError[] = [];
  const files: EnvFile[] = [];
  const layers: Layer[] = [
    {
      origin: 'the command line',
      values: commandLine.dataDir === undefined ? {} : { FATHOM_DATA_DIR: commandLine.dataDir },
    },
    { origin: 'the environment', values: env },
    ...readCredentials(env['CREDENTIALS_DIRECTORY']),
  ];
  const layerOf = (name: Variable): Layer | undefined =>
    layers.find(({ values }) => values[name] !== undefined && values[name].trim() !== '');
  const get = (name: Variable): string | undefined => layerOf(name)?.values[name];
  const originOf = (name: Variable): string | undefined => layerOf(name)?.origin;
  const add = (path: string, { required }: { required: boolean }): void => {
    if (files.some((file) => file.path === path)) return;
    const file = readEnvFile(path);
    if ('values' in file) {
      files.push(file);
      layers.push({ origin: path, values: file.values });
    } else if (required) {
      const mend = `name a file that can, or 'fathomd init --env-file ${path}' makes one with fresh secrets`;
      problems.push({
        path: commandLine.envFile === undefined ? 'FATHOM_ENV_FILE' : '--env-file',
        message: `${path} cannot be read (${file.error}); ${file.error === 'ENOENT' ? mend : 'name a file that can'}`,
      });
    } else if (file.error !== 'ENOENT' && file.error !== 'ENOTDIR') {
      warnings.push(
        `${path} cannot be read (${file.error}) and is left out; run 'chmod 600' on it as its owner`,
      );
    }
  };

  const envFile = commandLine.envFile ?? (env['FATHOM_ENV_FILE'] || undefined);
  const namedFile = envFile === undefined ? null : resolve(cwd, envFile);
  if (namedFile !== null) {
    add(namedFile, { required: true });
  } else {
    add(join(cwd, '.env'), { required: false });
    add(join(cwd, '.env.local'), { required: false });
  }
  const dataDir = resolve(cwd, get('FATHOM_DATA_DIR')?.trim() ?? SETTINGS.FATHOM_DATA_DIR.default);
  if (namedFile === null) add(join(dataDir, '.env'), { required: false });

  warnings.push(
    ...files.flatMap(permissionWarnings),
    ...files.flatMap(cutWarnings),
    ...conflictWarnings({ files, originOf }),
    ...typoWarnings([env, ...files.map((file) => file.values)]),
  );
  const everywhere = (): Layer[] => {
    const usual = [join(cwd, '.env'), join(cwd, '.env.local'), join(dataDir, '.env')];
    const unread = usual.filter((path) => files.every((file) => file.path !== path)).map(readEnvFile);
    return [
      ...layers,
      ...unread.flatMap((file) => ('values' in file ? [{ origin: file.path, values: file.values }] : [])),
    ];
  };
  return { dataDir, files, namedFile, warnings, problems, get, originOf, everywhere };
}

/** True when the file's mode lets anyone but its owner in, and there is something to see. */
export function exposesSecrets({ mode, values }: EnvFile): boolean {
  const holdsSecrets = Object.entries(values).some(([name, value]) => isSecret(name) && value !== '');
  return holdsSecrets && (mode & 0o077) !== 0;
}

function readEnvFile(path: string): EnvFile | { error: string } {
  try {
    const text = readFileSync(path, 'utf8');
    return { path, mode: statSync(path).mode & 0o777, values: parse(text), cut: cutValues(text) };
  } catch (error) {
    return { error: error instanceof Error && 'code' in error ? String(error.code) : 'unknown error' };
  }
}

function permissionWarnings(file: EnvFile): string[] {
  if (!exposesSecrets(file)) return [];
  const mode = file.mode.toString(8).padStart(4, '0');
  return [
    `${file.path} holds secrets and is open to other users (mode ${mode}); run 'chmod 600 ${file.path}'`,
  ];
}

/** A secret that lost its end still looks like one. It is never shown. */
function cutWarnings({ path, cut }: EnvFile): string[] {
  return cut.map(({ name, quote }) => {
    const remedy =
      quote === null
        ? 'choose a value without one of the three quotes'
        : `write ${quote} before and after the value, or a space before the # of a comment`;
    return `${name} in ${path} ends at its '#', which begins a comment; ${remedy}`;
  });
}

/** One of them is a mistake: what was made with the weaker one cannot be read with the other. */
function conflictWarnings({ files, originOf }: Pick<Sources, 'files' | 'originOf'>): string[] {
  const conflicts = GENERATED_SECRETS.flatMap((name) => {
    const holding = files.filter(({ values }) => (values[name] ?? '').trim() !== '');
    const used = holding.find(({ path }) => path === originOf(name));
    const other = holding.find(({ values }) => values[name]?.trim() !== used?.values[name]?.trim());
    return used && other ? [{ name, where: `${used.path} before other values in ${other.path}` }] : [];
  });
  return [...Map.groupBy(conflicts, ({ where }) => where)].map(([where, some]) => {
    const names = some.map(({ name }) => name).join(', ');
    return `${names}: read from ${where}; remove those that are not meant`;
  });
}

function typoWarnings(layers: readonly Readonly<Record<string, string | undefined>>[]): string[] {
  const known = new Set<string>([...VARIABLES, ...OTHER_VARIABLES]);
  const unknown = new Set(layers.flatMap((layer) => Object.keys(layer)).filter((name) => !known.has(name)));
  return [...unknown].flatMap((name) => {
    const meant = closestWord(name, VARIABLES);
    return meant === null ? [] : [`${name} is not a setting; did you mean ${meant}?`];
  });
}
