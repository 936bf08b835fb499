import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Target } from '../../shared/client/http.ts';
import { closestWord } from '../../shared/closest.ts';
import { type Profile, targetOfProfile } from '../store/servers/profile.ts';
import { resolveTarget } from '../store/servers/target.ts';
import { THEME_NAMES, type ThemeName } from '../theme.ts';

export interface Options {
  target: Target;
  /** The command line names the daemon. Commands that the user copies then name it too. */
  explicit: boolean;
  readOnly: boolean;
  theme: ThemeName | undefined;
  mouse: boolean;
  /** The profile of the option --profile. */
  profile: Profile | null;
}

/** The result of reading the command line: options, a text to print, or an error. */
export type ReadOptions =
  | { kind: 'run'; options: Options }
  | { kind: 'answered'; text: string }
  | { kind: 'refused'; message: string };

export const CONSOLE_SYNOPSIS =
  'fathom-tui [--url U | --socket S | --data-dir D | --env-file F | --profile NAME] [--read-only] [--theme T]';

export const CONSOLE_TEXTS = {
  about: 'Show and manage the fleet of a fathomd daemon.',
  signIn: `Set FATHOM_TOKEN to a session token or an API key for a URL; otherwise the console asks you to sign in. The local socket
needs no sign-in.`,
};

/** Each option with its meaning, in the order of the help. */
export const CONSOLE_OPTIONS = [
  ['--url U', 'URL of the daemon, for example http://127.0.0.1:3000'],
  ['--socket S', "Local socket of the daemon (default: from the settings, as for 'fathomd serve')"],
  ['--data-dir D', "Data directory of the daemon, as for 'fathomd serve'"],
  ['--env-file F', "Env file of the daemon, as for 'fathomd serve'"],
  ['--profile NAME', 'Server that was added on the screen Servers'],
  ['--read-only', 'Allow no actions'],
  ['--theme T', `Colours: ${THEME_NAMES.join(', ')} (default: detected from the terminal)`],
  ['--no-mouse', 'Do not use the mouse, so that the terminal can select text'],
  ['--help', 'Show this help'],
  ['--version', 'Show the version'],
] as const;

const OPTION_COLUMN = Math.max(...CONSOLE_OPTIONS.map(([option]) => option.length)) + 2;

const HELP = `${CONSOLE_SYNOPSIS}

${CONSOLE_TEXTS.about}

${CONSOLE_OPTIONS.map(([option, meaning]) => `  ${option.padEnd(OPTION_COLUMN)}${meaning}`).join('\n')}

${CONSOLE_TEXTS.signIn}`;

// Node's own parser: the library that fathomd uses would make the start 10 % slower.
const OPTIONS = {
  url: { type: 'string' },
  socket: { type: 'string' },
  'data-dir': { type: 'string' },
  'env-file': { type: 'string' },
  profile: { type: 'string' },
  'read-only': { type: 'boolean' },
  theme: { type: 'string' },
  'no-mouse': { type: 'boolean' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

/** @param profiles called only if the command line names a profile */
export async function readOptions(
  args: readonly string[],
  profiles: () => Promise<readonly Profile[]>,
): Promise<ReadOptions> {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    if (values.help) return { kind: 'answered', text: HELP };
    if (values.version) return { kind: 'answered', text: version() };
    const { url, socket, 'data-dir': dataDir, 'env-file': envFile } = values;
    const named = [url, socket, values.profile, dataDir ?? envFile].filter((one) => one !== undefined);
    if (named.length > 1)
      throw new Error(
        'use only one of --url, --socket, --profile, and --data-dir with --env-file: each names a daemon',
      );
    const profile = values.profile === undefined ? null : profileNamed(values.profile, await profiles());
    const target =
      profile === null
        ? resolveTarget({ url, socket, dataDir, envFile, env: process.env, cwd: process.cwd() })
        : targetOfProfile(profile);
    return {
      kind: 'run',
      options: {
        target,
        explicit: named.length > 0,
        readOnly: values['read-only'] ?? false,
        theme: checkedTheme(values.theme),
        mouse: !(values['no-mouse'] ?? false),
        profile,
      },
    };
  } catch (error) {
    return { kind: 'refused', message: refusalOf(error, args) };
  }
}

function profileNamed(name: string, profiles: readonly Profile[]): Profile {
  const found = profiles.find((profile) => profile.name === name);
  if (found !== undefined) return found;
  const names = profiles.map((profile) => profile.name).join(', ');
  throw new Error(
    `--profile ${name}: ${names === '' ? 'no profiles exist; add one on the screen Servers' : `known profiles: ${names}`}`,
  );
}

function checkedTheme(name: string | undefined): ThemeName | undefined {
  if (name === undefined) return undefined;
  const known = THEME_NAMES.find((theme) => theme === name);
  if (known === undefined) throw new Error(`--theme ${name}: known themes: ${THEME_NAMES.join(', ')}`);
  return known;
}

function refusalOf(error: unknown, args: readonly string[]): string {
  // The rest of Node's message is about positional arguments, which this command does not have.
  const message = (error instanceof Error ? error.message : String(error)).replace(/\. To specify.*$/s, '');
  const meant = closestOption(args, Object.keys(OPTIONS));
  return meant === null ? message : `${message}; did you mean --${meant}?`;
}

/** The known option that is most similar to an unknown one in `args`; null if none is similar. */
function closestOption(args: readonly string[], known: readonly string[]): string | null {
  const given = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/^-+/, '').replace(/=.*/, '').toLowerCase())
    .find((name) => name !== '' && !known.includes(name));
  if (given === undefined) return null;
  return closestWord(given, known);
}

function version(): string {
  // Two folders up, both from the source and from `dist/tui/`.
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
