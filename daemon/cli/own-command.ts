import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../base/package.ts';
import { isRelease } from '../install/layout.ts';
import type { CliContext } from './context.ts';

/** What to type to run a program of this very package: its name where the shell finds it, else its path. */
export async function ownCommand(
  program: 'fathomd' | 'fathom-tui',
  { env, cwd }: Pick<CliContext, 'env' | 'cwd'>,
  root: string = packageRoot(),
): Promise<string> {
  if (isRelease(root)) return program;
  const own = await realpath(join(root, 'bin', program));
  // npm and npx put directories of their own in front, which the shell does not know.
  const places = (env['PATH'] ?? '').split(':').filter((place) => !place.includes('node_modules'));
  const found = await Promise.all(places.map((place) => realpath(join(place, program)).catch(() => null)));
  // Of several, the first is run.
  if (found.find((path) => path !== null) === own) return program;
  return (await realpath(cwd)) === (await realpath(root)) ? join('bin', program) : join(root, 'bin', program);
}

/** Opens the console of this daemon, which one whose data directory was named would not be found without. */
export async function consoleCommand(
  socketPath: string,
  dataDir: string | undefined,
  context: Pick<CliContext, 'env' | 'cwd'>,
): Promise<string> {
  const program = await ownCommand('fathom-tui', context);
  return dataDir === undefined ? program : `${program} --socket ${socketPath}`;
}
