import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/package.ts';
import { isRelease } from '../host/install/release/layout.ts';
import type { CliContext } from './context.ts';

type Program = 'fathomd' | 'fathom-tui';
type Place = Pick<CliContext, 'env' | 'cwd'>;

/** The command that runs a program of this package: its name if the shell finds it, otherwise its path. */
export function ownCommand(program: Program, { env, cwd }: Place, root: string = packageRoot()): string {
  if (isRelease(root)) return program;
  const own = realpathSync(join(root, 'bin', program));
  // npm and npx add directories that the shell of the user does not have.
  const places = (env['PATH'] ?? '').split(':').filter((place) => !place.includes('node_modules'));
  // The shell runs the first program that it finds.
  for (const place of places) {
    const found = realPath(join(place, program));
    if (found === own) return program;
    if (found !== null) break;
  }
  const path = realPath(cwd) === realPath(root) ? join('bin', program) : join(root, 'bin', program);
  return /^[\w./@+-]+$/.test(path) ? path : JSON.stringify(path);
}

/** Replaces program names in a message, such as `'fathomd status'`, with the command that works here. */
export function withOwnCommand(text: string, place: Place): string {
  return text.replace(
    /'(fathomd|fathom-tui)(?=[ '])/g,
    (_, program: Program) => `'${ownCommand(program, place)}`,
  );
}

/** The command that opens the console of this daemon. With a data directory of its own, it needs the socket. */
export function consoleCommand(socketPath: string, dataDir: string | undefined, place: Place): string {
  const program = ownCommand('fathom-tui', place);
  return dataDir === undefined ? program : `${program} --socket ${socketPath}`;
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
