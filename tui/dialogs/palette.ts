import { BINDINGS, type Command, keyLabel } from '../keymap.ts';
import type { FleetState } from '../store/fleet-state.ts';

export interface PaletteEntry {
  title: string;
  /** The key that does the same, so that the palette teaches the keys. */
  key: string;
  run: { kind: 'command'; command: Command } | { kind: 'instance'; name: string };
}

const MOST_INSTANCES = 20;

const COMMANDS: readonly (readonly [Command, string])[] = [
  ['screen.overview', 'overview'],
  ['screen.instances', 'instances'],
  ['open', 'open the chosen instance'],
  ['logs', 'logs of the chosen instance'],
  ['start', 'start the marked instances, else the chosen one'],
  ['stop', 'stop the marked instances, else the chosen one'],
  ['restart', 'restart the marked instances, else the chosen one'],
  ['mark.all', 'mark all that are shown'],
  ['sort.next', 'sort by the next column'],
  ['retry', 'reconnect now'],
  ['help', 'help'],
  ['leave', 'quit: leave the console'],
];

/** What the typed words leave: screens and actions first, then instances by name. */
export function paletteEntries(fleet: FleetState, text: string): PaletteEntry[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const fits = (title: string) => words.every((word) => title.toLowerCase().includes(word));
  const commands = COMMANDS.filter(([, title]) => fits(title)).map(([command, title]): PaletteEntry => {
    const key = BINDINGS.find((binding) => binding.command === command)?.keys[0] ?? '';
    return { title, key: keyLabel(key), run: { kind: 'command', command } };
  });
  if (words.length === 0) return commands;
  const instances = [...fleet.instances.values()]
    .filter(({ name, email }) => fits(`${name} ${email ?? ''}`))
    .slice(0, MOST_INSTANCES)
    .map(({ name }): PaletteEntry => ({ title: name, key: '', run: { kind: 'instance', name } }));
  return [...commands, ...instances];
}
