import { commandOf } from '../keys/places.ts';
import { pasteInForm } from '../store/form.ts';
import { sanitise } from '../store/sanitise.ts';
import { bodySize, type Console, isTooSmall } from './console.ts';
import { pressInDialog } from './press-dialog.ts';
import { pressInPrompt, setPrompt } from './press-prompt.ts';
import { runCommand } from './run-command.ts';
import { say } from './say.ts';
import type { Size } from './screen.ts';
import { placeOf } from './screens.ts';

/** One key press, from the keyboard to its effect. `size` is the terminal's. */
export function runPress(console: Console, press: string, size: Size): void {
  const { ui } = console;
  // Whatever is asked is not seen then, and must not be answered.
  if (isTooSmall(size)) return press === 'q' || press === 'ctrl+c' ? console.leave('keep') : undefined;
  if (ui.get().notice !== null) ui.update((state) => ({ ...state, notice: null }));
  const { dialog, prompt } = ui.get();
  if (dialog !== null) return pressInDialog(console, dialog, press, bodySize(size));
  if (prompt !== null) return pressInPrompt(console, prompt, press, bodySize(size));
  const command = commandOf(placeOf(ui.get(), console.fleet.store.get()), press);
  if (command !== null) runCommand(console, command, bodySize(size));
}

/** Pasted text goes into a prompt, and nowhere else: a paste must never be taken for commands. */
export function runPaste(console: Console, text: string): void {
  const { prompt, dialog } = console.ui.get();
  // What else is at the ends of a password belongs to it.
  const line = text.replace(/[\r\n]+$/, '').replace(/\p{Control}+/gu, ' ');
  if (dialog?.kind === 'form' && !dialog.form.busy) {
    const form = pasteInForm(dialog.form, line);
    return console.ui.update((state) => ({ ...state, dialog: { kind: 'form', form } }));
  }
  if (prompt === null) return say(console, 'Pasted text is ignored here: open a prompt with / or : first.');
  setPrompt(console, { ...prompt, text: prompt.text + sanitise(line) });
}
