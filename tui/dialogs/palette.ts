import { BINDINGS } from '../keys/bindings.ts';
import type { Command } from '../keys/commands.ts';
import { GROUPS_OF, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import type { FleetState } from '../store/fleet/fleet-state.ts';
import { visibleTop } from '../store/view/cursor.ts';
import type { Box } from '../widgets/drawing/repaint.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { type DialogArea, drawDialog } from './dialog-box.ts';

export interface PaletteEntry {
  title: string;
  /** The key that does the same. */
  key: string;
  run: { kind: 'command'; command: Command } | { kind: 'instance'; name: string };
}

const MAX_INSTANCES = 20;

/** The screens, commands and instances that match the typed text, in this order. */
export function paletteEntries(place: Place, fleet: FleetState, text: string): PaletteEntry[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const fits = (title: string) => words.every((word) => title.toLowerCase().includes(word));
  const commands = BINDINGS.flatMap(({ command, keys, group, menu }): PaletteEntry[] => {
    if (menu === undefined || !GROUPS_OF[place].includes(group) || !fits(menu)) return [];
    return [{ title: menu, key: keyLabel(keys[0] ?? ''), run: { kind: 'command', command } }];
  }).toSorted((a, b) => Number(isScreen(b)) - Number(isScreen(a)));
  if (words.length === 0) return commands;
  const instances = [...fleet.instances.values()]
    .filter(({ name, email }) => fits(`${name} ${email ?? ''}`))
    .slice(0, MAX_INSTANCES)
    .map(({ name }): PaletteEntry => ({ title: name, key: '', run: { kind: 'instance', name } }));
  return [...commands, ...instances];
}

function isScreen({ run }: PaletteEntry): boolean {
  return run.kind === 'command' && run.command.startsWith('screen.');
}

const WIDTH = 56;

export function paletteDialog(over: DialogArea, entries: readonly PaletteEntry[], choice: number): Box {
  const width = Math.min(WIDTH, over.columns - 8);
  const room = Math.max(1, Math.min(14, over.rows - 3));
  const top = visibleTop(0, choice, room, entries.length);
  const lines = entries.slice(top, top + room).map(({ title, key }, index): Span[] => {
    const chosen = top + index === choice;
    const text = fit(title, width - 6);
    if (chosen) return [['chosen', fit(`▸ ${text}${fit(key, 4, 'right')}`, width)]];
    return [
      ['plain', `  ${text}`],
      ['accent', fit(key, 4, 'right')],
    ];
  });
  if (lines.length === 0) lines.push([['muted', fit('No match.', width)]]);
  return drawDialog(over, { title: 'Screens and commands', lines });
}
