import { type PaletteEntry, paletteEntries } from '../../dialogs/palette.ts';
import { editText } from '../../keys/edit-text.ts';
import { commandOf } from '../../keys/places.ts';
import { type Prompt, withFilter } from '../../store/view/ui-state.ts';
import type { Console, Size } from '../console.ts';
import { findMatch } from '../logs/scroll-log.ts';
import { placeBelow } from '../screens.ts';
import { openSpot } from './navigate.ts';
import { runCommand } from './run-command.ts';

/** Handles a key in the input line. `size` is the size of the body. */
export function handlePromptKey(console: Console, prompt: Prompt, press: string, size: Size): void {
  const command = commandOf('prompt', press);
  switch (command) {
    case 'prompt.cancel':
    case 'interrupt':
      return cancel(console, prompt);
    case 'prompt.accept':
      return accept(console, prompt, size);
    case 'up':
      return moveChoice(console, prompt, -1);
    case 'down':
      return moveChoice(console, prompt, 1);
    default: {
      // Backspace in an empty prompt closes it, as in vi.
      if (command === 'text.backspace' && prompt.text === '') return cancel(console, prompt);
      const text = editText(prompt.text, press);
      if (text !== null) setPrompt(console, { ...prompt, text });
    }
  }
}

/** A filter or search applies while it is typed. The palette selects its first entry again. */
export function setPrompt({ ui }: Console, prompt: Prompt): void {
  const state = ui.get();
  switch (prompt.kind) {
    case 'filter':
      return ui.set({ ...withFilter(state, prompt.list, prompt.text.trim()), prompt });
    case 'search':
      return ui.set({ ...state, prompt, log: { ...state.log, search: prompt.text, match: null } });
    case 'palette':
      return ui.set({ ...state, prompt: { ...prompt, choice: 0 } });
  }
}

function close({ ui }: Console): void {
  ui.update((state) => ({ ...state, prompt: null }));
}

function cancel(console: Console, prompt: Prompt): void {
  setPrompt(console, { ...prompt, text: prompt.before });
  close(console);
}

function accept(console: Console, prompt: Prompt, size: Size): void {
  close(console);
  if (prompt.kind === 'search' && prompt.text !== '') findMatch(console, 'older', size);
  if (prompt.kind !== 'palette') return;
  const entry = entriesOf(console, prompt.text)[prompt.choice];
  if (entry !== undefined) runEntry(console, entry, size);
}

function entriesOf({ ui, fleet }: Console, text: string): PaletteEntry[] {
  const state = fleet.store.get();
  return paletteEntries(placeBelow(ui.get(), state), state, text);
}

function runEntry(console: Console, { run }: PaletteEntry, size: Size): void {
  if (run.kind === 'instance') openSpot(console, { screen: 'instance', name: run.name, tab: 'summary' });
  else runCommand(console, run.command, size);
}

function moveChoice(console: Console, prompt: Prompt, by: number): void {
  if (prompt.kind !== 'palette') return;
  const count = entriesOf(console, prompt.text).length;
  const choice = Math.min(Math.max(0, prompt.choice + by), Math.max(0, count - 1));
  console.ui.update((state) => ({ ...state, prompt: { ...prompt, choice } }));
}
