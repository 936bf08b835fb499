import { join } from 'node:path';
import { execa } from 'execa';

const PACKAGE = join(import.meta.dirname, '..', '..');

export const FATHOMD = join(PACKAGE, 'bin', 'fathomd');

/** All that a process of Fathom sees of the environment of the tests. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  // Where the shell finds a command, messages name it as it is typed.
  PATH: `${join(PACKAGE, 'bin')}:${process.env['PATH'] ?? ''}`,
  // Hundreds of them are started one after the other: what Node compiled for one serves the next.
  NODE_COMPILE_CACHE: join(PACKAGE, 'node_modules', '.cache', 'node-compile'),
};

/** Runs a command as a person does; any exit code resolves. */
export function fathomd(
  args: readonly string[],
  { env = {}, input, cwd }: { env?: Readonly<Record<string, string>>; input?: string; cwd?: string } = {},
) {
  return execa(FATHOMD, args, {
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...BASE_ENVIRONMENT, ...env },
    extendEnv: false,
    reject: false,
  });
}
