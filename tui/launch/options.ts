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
  /** The command line names the daemon: commands that are copied name it as well. */
  explicit: boolean;
  readOnly: boolean;
  theme: ThemeName | undefined;
  mouse: boolean;
  /** The one that was asked for by its name. */
  profile: Profile | null;
}

/** What was asked for on the command line; or what to print instead. */
export type ReadOptions =
  | { kind: 'run'; options: Options }
  | { kind: 'answered'; text: string }
  | { kind: 'refused'; message: string };

const HELP = `fathom-tui [--url U | --socket S | --data-dir D | --env-file F | --profile NAME] [--read-only] [--theme T]

The console of Fathom: watches and steers the fleet of a daemon.

  --url U        address of the daemon, like http://127.0.0.1:3000
  --socket S     local socket of the daemon; default: that of the settings, as for 'fathomd serve'
  --data-dir D   the data directory of the daemon, as 'fathomd serve' has it
  --env-file F   the env file of the daemon, as 'fathomd serve' has it
  --profile NAME a server that was added on the screen Servers
  --read-only    only look: the daemon refuses this console's actions
  --theme T      ${THEME_NAMES.join(', ')}; default: what the terminal tells
  --no-mouse     leave the mouse to the terminal, for selecting text; m switches it
  --help         this text
  --version      of Fathom

FATHOM_TOKEN may hold the session or API key for a URL; without it the console asks to sign in. The local socket needs neither.`;

// Node's own parser: the library of the commands would take a tenth of the start.
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

/** `profiles` are only read when one is asked for. */
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
      throw new Error('--url, --socket, --profile and --data-dir or --env-file each name a daemon: give one');
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
    `--profile ${name}: ${names === '' ? 'there are none yet; add one on the screen Servers' : `there are ${names}`}`,
  );
}

function checkedTheme(name: string | undefined): ThemeName | undefined {
  if (name === undefined) return undefined;
  const known = THEME_NAMES.find((theme) => theme === name);
  if (known === undefined) throw new Error(`--theme ${name}: there are ${THEME_NAMES.join(', ')}`);
  return known;
}

function refusalOf(error: unknown, args: readonly string[]): string {
  // Node's sentence goes on about arguments that this command does not have.
  const message = (error instanceof Error ? error.message : String(error)).replace(/\. To specify.*$/s, '');
  const meant = closestOption(args, Object.keys(OPTIONS));
  return meant === null ? message : `${message}; did you mean --${meant}?`;
}

/** The known option nearest to an unknown one among `args`, or null when none is near. */
function closestOption(args: readonly string[], known: readonly string[]): string | null {
  const given = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/^-+/, '').replace(/=.*/, '').toLowerCase())
    .find((name) => name !== '' && !known.includes(name));
  if (given === undefined) return null;
  return closestWord(given, known);
}

function version(): string {
  // Two folders up, from the source as from `dist/tui/`.
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
