import { commandOf, keyFor } from '../../keys/places.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import { pasteInForm } from '../../store/view/form.ts';
import { bodySize, type Console, isTooSmall, type Size, showNotice } from '../console.ts';
import { placeOf } from '../screens.ts';
import { type Press, questionOf } from './answer-guard.ts';
import { handleDialogKey } from './dialog-keys.ts';
import { handlePromptKey, setPrompt } from './prompt-keys.ts';
import { runCommand } from './run-command.ts';

/** The name of a pressed key, or pasted text. */
export type Input = string | { paste: string };

/**
 * Handles all input of one read from the terminal, in order. When a question opens or closes, the rest of the read is
 * dropped: the user typed it before the question was on the screen. `size` is the size of the terminal.
 */
export function handleInput(console: Console, inputs: readonly Input[], size: Size): void {
  const isSingle = inputs.length === 1;
  console.answers.typed();
  for (const input of inputs) {
    const before = questionOf(console.ui.get().dialog);
    if (typeof input === 'string') handlePress(console, { press: input, isSingle }, size);
    else handlePaste(console, input.paste);
    if (questionOf(console.ui.get().dialog) !== before) return;
  }
}

function handlePress(console: Console, input: Press, size: Size): void {
  const { ui, fleet } = console;
  if (isTooSmall(size)) return handlePressWhenTooSmall(console, input.press);
  if (ui.get().notice !== null) ui.update((state) => ({ ...state, notice: null }));
  const { dialog, prompt } = ui.get();
  if (dialog !== null) return handleDialogKey(console, dialog, input, bodySize(size));
  if (prompt !== null) return handlePromptKey(console, prompt, input.press, bodySize(size));
  const command = commandOf(placeOf(ui.get(), fleet.store.get()), input.press);
  if (command !== null) runCommand(console, command, bodySize(size));
}

/** Nothing but quitting works: the user cannot see the screen or a question on it. */
function handlePressWhenTooSmall(console: Console, press: string): void {
  const command = commandOf('waiting', press);
  if (command === 'leave' || command === 'interrupt') console.leave('keep');
}

/** Inserts pasted text into a prompt or a form. Everywhere else it is ignored, so that it never runs commands. */
function handlePaste(console: Console, text: string): void {
  const { prompt, dialog } = console.ui.get();
  // Spaces at the ends stay: they may belong to a password.
  const line = text.replace(/[\r\n]+$/, '').replace(/\p{Control}+/gu, ' ');
  if (dialog?.kind === 'form') {
    if (dialog.form.busy || !console.answers.accepts(dialog)) return;
    const form = pasteInForm(dialog.form, line);
    return console.ui.update((state) => ({ ...state, dialog: { kind: 'form', form } }));
  }
  if (dialog !== null || prompt === null) {
    const keys = `${keyFor('filter')} or ${keyFor('palette')}`;
    return showNotice(console, `Pasted text is ignored here. Open an input line with ${keys} first.`);
  }
  setPrompt(console, { ...prompt, text: prompt.text + sanitise(line) });
}
