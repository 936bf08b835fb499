import { commandFor, type Place, type Program } from '../../shared/launcher.ts';
import { packageRoot } from '../base/package.ts';

/** The command that runs a program of this package. */
export function ownCommand(program: Program, place: Place): string {
  return commandFor(program, place, packageRoot());
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
