import { join } from 'node:path';
import { closestWord } from '../../../shared/closest.ts';
import type { FieldError } from '../../../shared/errors.ts';
import {
  type EnvFile,
  layerWith,
  readEnvFile,
  readSettingsFiles,
  type SettingsFiles,
  type SettingsInput,
  type SettingsLayer,
  socketOf,
} from '../../../shared/settings-files.ts';
import { readCredentials } from './credentials.ts';
import { cutValues } from './env-lines.ts';
import { GENERATED_SECRETS, isSecret, OTHER_VARIABLES, VARIABLES, type Variable } from './variables.ts';

/** Where values come from, before anything is validated. */
export interface Sources extends SettingsFiles {
  /** Where a daemon of these settings listens. */
  socketPath: string;
  warnings: readonly string[];
  problems: readonly FieldError[];
  /** The value that wins. An empty one counts as not set, so that `LOG_DIR=` in a file means what it looks like. */
  get: (name: Variable) => string | undefined;
  /** Where that value stands, for a message: a file's path, `the environment` or `the command line`. */
  originOf: (name: Variable) => string | undefined;
  /** Every place that was read, the strongest first, then the usual files that a named file replaces. */
  everywhere: () => readonly SettingsLayer[];
}

/**
 * Reads the sources of settings (`readSettingsFiles` has their order) and says what is wrong with them.
 */
export function readSources(input: SettingsInput): Sources {
  const { commandLine, env, cwd } = input;
  const settings = readSettingsFiles(input, readCredentials(env['CREDENTIALS_DIRECTORY']));
  const { dataDir, files, namedFile, layers, unreadable } = settings;
  const get = (name: Variable): string | undefined => layerWith(layers, name)?.values[name];
  const originOf = (name: Variable): string | undefined => layerWith(layers, name)?.origin;
  const problems = unreadable
    .filter(({ path }) => path === namedFile)
    .map(({ path, error }) => ({
      path: commandLine.envFile === undefined ? 'FATHOM_ENV_FILE' : '--env-file',
      message: `${path} cannot be read (${error}); name a readable file${
        error === 'ENOENT' ? `, or run 'fathomd init --env-file ${path}' to make one with new secrets` : ''
      }`,
    }));
  const warnings = [
    ...unreadable
      .filter(({ path }) => path !== namedFile)
      .map(
        ({ path, error }) =>
          `${path} cannot be read (${error}) and is ignored; run 'chmod 600' on it as its owner`,
      ),
    ...files.flatMap(permissionWarnings),
    ...files.flatMap(cutWarnings),
    ...conflictWarnings({ files, originOf }),
    ...typoWarnings([env, ...files.map((file) => file.values)]),
  ];
  const everywhere = (): SettingsLayer[] => {
    const usual = [join(cwd, '.env'), join(cwd, '.env.local'), join(dataDir, '.env')];
    const unread = usual.filter((path) => files.every((file) => file.path !== path)).map(readEnvFile);
    return [
      ...layers,
      ...unread.flatMap((file) => ('values' in file ? [{ origin: file.path, values: file.values }] : [])),
    ];
  };
  return { ...settings, socketPath: socketOf(settings, cwd), warnings, problems, get, originOf, everywhere };
}

/** True when the file's mode lets anyone but its owner in, and there is something to see. */
export function exposesSecrets({ mode, values }: EnvFile): boolean {
  const holdsSecrets = Object.entries(values).some(([name, value]) => isSecret(name) && value !== '');
  return holdsSecrets && (mode & 0o077) !== 0;
}

function permissionWarnings(file: EnvFile): string[] {
  if (!exposesSecrets(file)) return [];
  const mode = file.mode.toString(8).padStart(4, '0');
  return [
    `${file.path} holds secrets and is open to other users (mode ${mode}); run 'chmod 600 ${file.path}'`,
  ];
}

/** A secret that lost its end still looks like one. It is never shown. */
function cutWarnings({ path, text }: EnvFile): string[] {
  return cutValues(text).map(({ name, quote }) => {
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
