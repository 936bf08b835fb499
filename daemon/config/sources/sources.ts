import { join } from 'node:path';
import { closestWord } from '../../../shared/closest.ts';
import { type EnvFile, ownUsers, readEnvFile } from '../../../shared/env-file.ts';
import type { FieldError } from '../../../shared/errors.ts';
import { hasConflict, nestedNameOf, valueOf } from '../../../shared/setting-names.ts';
import {
  layerWith,
  readSettingsFiles,
  type SettingsFiles,
  type SettingsInput,
  type SettingsLayer,
  settingIn,
  socketOf,
} from '../../../shared/settings-files.ts';
import { readCredentials } from './credentials.ts';
import { cutValues, ignoredLines } from './env-lines.ts';
import {
  GENERATED_SECRETS,
  isSecret,
  OTHER_VARIABLES,
  SETTING_NAMES,
  VARIABLES,
  type Variable,
} from './variables.ts';

const KNOWN: ReadonlySet<string> = new Set([...SETTING_NAMES, ...OTHER_VARIABLES]);

/** The values of all sources, before validation. */
export interface Sources extends SettingsFiles {
  /** The socket of a daemon with these settings. */
  socketPath: string;
  /** Files and directories with secrets, some of which may not exist. */
  secretPaths: readonly string[];
  warnings: readonly string[];
  problems: readonly FieldError[];
  /** The value with the highest priority. An empty value, as in `LOG_DIR=`, counts as not set. */
  get: (name: Variable) => string | undefined;
  /** The source of that value, for messages. */
  originOf: (name: Variable) => string | undefined;
  /** Every source that was read, highest priority first, then the default files that a named file replaces. */
  everywhere: () => readonly SettingsLayer[];
}

/**
 * Reads the sources of settings in the order of `readSettingsFiles`, with their problems and warnings.
 *
 * @param readFiles `inspectSettingsFiles` continues when another user can change a file
 * @throws FathomError `config.invalid` when another user can change a file
 */
export function readSources(input: SettingsInput, readFiles = readSettingsFiles): Sources {
  const { commandLine, env, cwd } = input;
  const handedOver = readCredentials(env['CREDENTIALS_DIRECTORY']);
  const settings = readFiles(input, handedOver.layers);
  const { dataDir, files, namedFileProblem, layers, unreadable } = settings;
  const get = (name: Variable): string | undefined => settingIn(layers, name);
  const originOf = (name: Variable): string | undefined => layerWith(layers, name)?.origin;
  const fileProblems = (namedFileProblem === null ? [] : [namedFileProblem]).map(({ path, error }) => ({
    path: commandLine.envFile === undefined ? 'FATHOM_ENV_FILE' : '--env-file',
    message: `cannot read ${path} (${error}); name a readable file${
      error === 'ENOENT' ? `, or run 'fathomd init --env-file ${path}' to create one with new secrets` : ''
    }`,
  }));
  const warnings = [
    ...unreadable.map(
      ({ path, error }) =>
        `cannot read ${path} (${error}), it is ignored; ${
          error.startsWith('E') ? "run 'chmod 600' on it as its owner" : 'use a regular file of at most 1 MiB'
        }`,
    ),
    ...files.flatMap(permissionWarnings),
    ...files.flatMap(cutWarnings),
    ...files.flatMap(ignoredLineWarnings),
    ...conflictWarnings({ files, originOf }),
    ...typoWarnings([...Object.keys(env), ...handedOver.names], files),
  ];
  const defaults = [join(cwd, '.env'), join(cwd, '.env.local'), join(dataDir, '.env')];
  const credentials = env['CREDENTIALS_DIRECTORY'] ?? '';
  const secretPaths = [
    ...new Set([...files.map(({ path }) => path), ...defaults, ...(credentials === '' ? [] : [credentials])]),
  ];
  const everywhere = (): SettingsLayer[] => {
    const unread = defaults.filter((path) => files.every((file) => file.path !== path));
    return [
      ...layers,
      ...unread
        .map((path) => readEnvFile(path, ownUsers()))
        .flatMap((file) => ('values' in file ? [{ origin: file.path, values: file.values }] : [])),
    ];
  };
  return {
    ...settings,
    socketPath: socketOf(settings, cwd),
    secretPaths,
    warnings,
    problems: [...handedOver.problems, ...fileProblems, ...nameConflicts(layers)],
    get,
    originOf,
    everywhere,
  };
}

/** A source that sets both names of a setting. The values are not shown: they may be secrets. */
function nameConflicts(layers: readonly SettingsLayer[]): FieldError[] {
  return layers.flatMap(({ origin, values }) =>
    VARIABLES.filter((name) => hasConflict(values, name)).map((name) => ({
      path: name,
      message: `is set by ${name} and by ${nestedNameOf(name)} in ${origin}, with different values; remove one of them`,
    })),
  );
}

/** Whether a file contains secrets and its mode lets other users in. */
export function exposesSecrets({ mode, values }: EnvFile): boolean {
  const hasSecrets = VARIABLES.some((name) => isSecret(name) && valueOf(values, name) !== undefined);
  return hasSecrets && (mode & 0o077) !== 0;
}

function permissionWarnings(file: EnvFile): string[] {
  if (!exposesSecrets(file)) return [];
  const mode = file.mode.toString(8).padStart(4, '0');
  return [
    `${file.path} contains secrets and other users can access it (mode ${mode}); run 'chmod 600 ${file.path}'`,
  ];
}

/** A secret that was cut short still looks like one, so it is not shown. */
function cutWarnings({ path, text }: EnvFile): string[] {
  return cutValues(text).map(({ name, quote }) => {
    const remedy =
      quote === null
        ? 'choose a value without one of the three quotes'
        : `write ${quote} before and after the value, or a space before the # of a comment`;
    return `${name} in ${path} ends at its '#', which starts a comment; ${remedy}`;
  });
}

/** Two files with different secrets: data that was encrypted with one cannot be decrypted with the other. */
function conflictWarnings({ files, originOf }: Pick<Sources, 'files' | 'originOf'>): string[] {
  const conflicts = GENERATED_SECRETS.flatMap((name) => {
    const filesWithValue = files.filter(({ values }) => valueOf(values, name) !== undefined);
    const used = filesWithValue.find(({ path }) => path === originOf(name));
    const valueIn = (file: EnvFile | undefined) => file && valueOf(file.values, name)?.trim();
    const other = filesWithValue.find((file) => valueIn(file) !== valueIn(used));
    return used && other ? [{ name, where: `${used.path}, but ${other.path} has other values` }] : [];
  });
  return [...Map.groupBy(conflicts, ({ where }) => where)].map(([where, group]) => {
    const names = group.map(({ name }) => name).join(', ');
    return `${names}: read from ${where}; remove the wrong ones`;
  });
}

/** The line itself is not shown: it may contain a secret. */
function ignoredLineWarnings({ path, text }: EnvFile): string[] {
  return ignoredLines(text).map(({ line, name }) => {
    const meant = settingWrittenAs(name);
    const remedy = meant === null ? 'write it like LOG_LEVEL=info, or remove it' : `write ${meant}=`;
    return `line ${line} of ${path} sets nothing and is ignored; ${remedy}`;
  });
}

/** The environment has variables of other programs too, such as IS_SANDBOX, so there only one typing error is assumed. */
function typoWarnings(otherNames: readonly string[], files: readonly EnvFile[]): string[] {
  const inFiles = new Set(files.flatMap(({ values }) => Object.keys(values)));
  const unknown = new Set([...otherNames, ...inFiles].filter((name) => !KNOWN.has(name)));
  return [...unknown].flatMap((name) => {
    const closest =
      settingWrittenAs(name) ?? closestWord(asSetting(name), VARIABLES, inFiles.has(name) ? 2 : 1);
    return closest === null ? [] : [`${name} is not a setting; did you mean ${closest}?`];
  });
}

/** The setting that differs only in case and in what is between its words; null without one. */
function settingWrittenAs(name: string): string | null {
  const meant = asSetting(name);
  return KNOWN.has(meant) ? meant : null;
}

function asSetting(name: string): string {
  const plain = name
    .trim()
    .toUpperCase()
    .replaceAll(/[\s._-]+/g, '_');
  return name.startsWith('FATHOM__') && !KNOWN.has(plain) ? plain.replace(/^FATHOM_/, '') : plain;
}
