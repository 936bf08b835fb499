import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/package.ts';
import { isRelease } from '../host/install/release/layout.ts';
import type { CliContext } from './context.ts';

type Program = 'fathomd' | 'fathom-tui';
type Place = Pick<CliContext, 'env' | 'cwd'>;

/** What to type to run a program of this very package: its name where the shell finds it, else its path. */
export function ownCommand(program: Program, { env, cwd }: Place, root: string = packageRoot()): string {
  if (isRelease(root)) return program;
  const own = realpathSync(join(root, 'bin', program));
  // npm and npx put directories of their own in front, which the shell does not know.
  const places = (env['PATH'] ?? '').split(':').filter((place) => !place.includes('node_modules'));
  // Of several, the first is run.
  for (const place of places) {
    const found = realPath(join(place, program));
    if (found === own) return program;
    if (found !== null) break;
  }
  const path = realPath(cwd) === realPath(root) ? join('bin', program) : join(root, 'bin', program);
  return /^[\w./@+-]+$/.test(path) ? path : JSON.stringify(path);
}

/** Messages name commands as `'fathomd status'`; a person is shown what works here. */
export function withOwnCommand(text: string, place: Place): string {
  return text.replace(
    /'(fathomd|fathom-tui)(?=[ '])/g,
    (_, program: Program) => `'${ownCommand(program, place)}`,
  );
}

/** Opens the console of this daemon, which one whose data directory was named would not be found without. */
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
