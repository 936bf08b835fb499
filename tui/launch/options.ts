import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Target } from '../../shared/client/http.ts';
import { resolveTarget } from '../store/target.ts';
import type { ThemeName } from '../theme.ts';

export interface Options {
  target: Target;
  readOnly: boolean;
  theme: ThemeName | undefined;
}

interface Given {
  url?: string;
  socket?: string;
  'read-only'?: boolean;
  theme?: ThemeName;
}

/** What was asked for on the command line; or what to print instead, and whether that is a refusal. */
export type ReadOptions = { kind: 'run'; options: Options } | { kind: 'answered' } | Refusal;
type Refusal = { kind: 'refused'; message: string };

/** The library for options is only loaded when there are any. */
export async function readOptions(args: readonly string[]): Promise<ReadOptions> {
  const given = args.length === 0 ? {} : await parseOptions(args);
  if (given === null) return { kind: 'answered' };
  if ('kind' in given) return given;
  try {
    const { url, socket, theme } = given;
    const target = resolveTarget({ url, socket, env: process.env, cwd: process.cwd() });
    return { kind: 'run', options: { target, readOnly: given['read-only'] ?? false, theme } };
  } catch (error) {
    return { kind: 'refused', message: error instanceof Error ? error.message : String(error) };
  }
}

/** Null when the library has answered by itself (`--help`, `--version`). */
async function parseOptions(args: readonly string[]): Promise<Given | Refusal | null> {
  const { default: yargs } = await import('yargs');
  const { closestOption } = await import('../store/closest-option.ts');
  const { THEME_NAMES } = await import('../theme.ts');
  const parser = yargs([...args])
    .scriptName('fathom-tui')
    .usage(
      '$0 [--url U | --socket S] [--read-only] [--theme T]\n\nThe console of Fathom: watches and steers the fleet of a daemon.',
    )
    .option('url', {
      type: 'string',
      requiresArg: true,
      describe: 'address of the daemon, like http://127.0.0.1:3000',
    })
    .option('socket', {
      type: 'string',
      requiresArg: true,
      describe:
        'local socket of the daemon; default: FATHOM_SOCKET, else the one below FATHOM_DATA_DIR or ./var',
    })
    .option('read-only', { type: 'boolean', describe: 'switch actions off in this console' })
    .option('theme', {
      choices: THEME_NAMES,
      requiresArg: true,
      describe:
        'colours for this background, or the sixteen of the terminal; default: what the terminal tells',
    })
    .conflicts('url', 'socket')
    .epilogue('FATHOM_TOKEN holds the session or API key for --url; the local socket needs none.')
    .version(version())
    .help()
    .parserConfiguration({
      'duplicate-arguments-array': false,
      'camel-case-expansion': false,
      'boolean-negation': false,
    })
    .strict()
    .exitProcess(false)
    .fail(false);
  try {
    const parsed = await parser.parse();
    return 'help' in parsed || 'version' in parsed ? null : (parsed as Given);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const meant = closestOption(args, ['url', 'socket', 'read-only', 'theme', 'version', 'help']);
    return { kind: 'refused', message: meant === null ? message : `${message}; did you mean --${meant}?` };
  }
}

function version(): string {
  // From the source it is two folders up, from `dist/` three.
  for (const up of ['../..', '../../..']) {
    try {
      const text = readFileSync(join(import.meta.dirname, up, 'package.json'), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
