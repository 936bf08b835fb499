import { commandOf } from '../../keys/places.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import { pasteInForm } from '../../store/view/form.ts';
import { bodySize, type Console, isTooSmall, type Size, showNotice } from '../console.ts';
import { placeOf } from '../screens.ts';
import { questionOf } from './answer-guard.ts';
import { handleDialogKey } from './dialog-keys.ts';
import { handlePromptKey, setPrompt } from './prompt-keys.ts';
import { runCommand } from './run-command.ts';

/** A key press by its name, or a text that was pasted. */
export type Input = string | { paste: string };

/**
 * Runs what one read of the terminal brought, in order. When a question opens or closes, the rest of the read is
 * dropped: it was typed before that was on the screen. `size` is the terminal's.
 */
export function handleInput(console: Console, inputs: readonly Input[], size: Size): void {
  const alone = inputs.length === 1;
  console.answers.typed();
  for (const input of inputs) {
    const before = questionOf(console.ui.get().dialog);
    if (typeof input === 'string') handlePress(console, input, { size, alone });
    else handlePaste(console, input.paste);
    if (questionOf(console.ui.get().dialog) !== before) return;
  }
}

function handlePress(console: Console, press: string, { size, alone }: { size: Size; alone: boolean }): void {
  const { ui } = console;
  // Whatever is asked is not seen then, and must not be answered.
  if (isTooSmall(size)) return press === 'q' || press === 'ctrl+c' ? console.leave('keep') : undefined;
  if (ui.get().notice !== null) ui.update((state) => ({ ...state, notice: null }));
  const { dialog, prompt } = ui.get();
  if (dialog !== null) return handleDialogKey(console, dialog, { press, alone }, bodySize(size));
  if (prompt !== null) return handlePromptKey(console, prompt, press, bodySize(size));
  const command = commandOf(placeOf(ui.get(), console.fleet.store.get()), press);
  if (command !== null) runCommand(console, command, bodySize(size));
}

/** Pasted text goes into a prompt or a form, and nowhere else: a paste must never be taken for commands. */
function handlePaste(console: Console, text: string): void {
  const { prompt, dialog } = console.ui.get();
  // What else is at the ends of a password belongs to it.
  const line = text.replace(/[\r\n]+$/, '').replace(/\p{Control}+/gu, ' ');
  if (dialog?.kind === 'form') {
    if (dialog.form.busy || !console.answers.accepts(dialog)) return;
    const form = pasteInForm(dialog.form, line);
    return console.ui.update((state) => ({ ...state, dialog: { kind: 'form', form } }));
  }
  if (dialog !== null || prompt === null)
    return showNotice(console, 'Pasted text is ignored here: open a prompt with / or : first.');
  setPrompt(console, { ...prompt, text: prompt.text + sanitise(line) });
}
