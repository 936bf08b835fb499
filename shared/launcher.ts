import { realpathSync } from 'node:fs';
import { join } from 'node:path';

export type Program = 'fathomd' | 'fathom-tui';

export interface Place {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

/** The directory of installed releases. `fathomd install` puts their programs on the PATH. */
export const RELEASES = '/opt/fathom';

export function isRelease(directory: string): boolean {
  return directory.startsWith(`${RELEASES}/`);
}

/**
 * The command that runs a program of this package: its name if the shell finds it, otherwise its path.
 *
 * @param root the directory of the package
 */
export function commandFor(program: Program, { env, cwd }: Place, root: string): string {
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

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
