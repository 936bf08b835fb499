import { helpLines, helpRows } from '../../dialogs/help-dialog.ts';
import type { Command } from '../../keys/commands.ts';
import { commandOf } from '../../keys/places.ts';
import type { Dialog } from '../../store/view/ui-state.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, type Size, showNotice } from '../console.ts';
import { placeBelow } from '../screens.ts';
import type { Press } from './answer-guard.ts';
import { handleCopyKey } from './copying.ts';
import { handleFormKey } from './form-keys.ts';

/** Handles a key while a dialog is open. `size` is the size of the body. */
export function handleDialogKey(console: Console, dialog: Dialog, input: Press, size: Size): void {
  if (!console.answers.accepts(dialog)) return;
  switch (dialog.kind) {
    case 'form':
      return handleFormKey(console, dialog.form, input);
    case 'help':
      return handleHelpKey(console, dialog.top, input.press, size);
    case 'confirm':
      return handleConfirmKey(console, dialog, input);
    case 'copy':
      return handleCopyKey(console, dialog, input.press);
    case 'quit':
      return handleQuitKey(console, input);
  }
}

function close({ ui }: Console): void {
  ui.update((state) => ({ ...state, dialog: null }));
}

/** Rows that a key scrolls. Every other key closes the help. */
const HELP_STEPS: Partial<Record<Command, number>> = {
  up: -1,
  down: 1,
  'page.up': -10,
  'page.down': 10,
  first: -1000,
  last: 1000,
};

function handleHelpKey(console: Console, top: number, press: string, size: Size): void {
  const command = commandOf('help', press);
  const step = command === null ? undefined : HELP_STEPS[command];
  if (step === undefined) return close(console);
  const { ui, fleet } = console;
  const place = placeBelow(ui.get(), fleet.store.get());
  const lastTop = Math.max(0, helpLines(place).length - helpRows(size.rows));
  const next = Math.min(lastTop, Math.max(0, top + step));
  ui.update((state) => ({ ...state, dialog: { kind: 'help', top: next } }));
}

function handleConfirmKey(
  console: Console,
  { action }: Extract<Dialog, { kind: 'confirm' }>,
  { press, isSingle }: Press,
): void {
  const command = commandOf('confirm', press);
  if (command === null || (command === 'confirm.yes' && !isSingle)) return;
  close(console);
  if (command !== 'confirm.yes') return;
  // The connection may be lost since the question was asked.
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return showNotice(console, off);
  console.ui.update((state) => ({ ...state, marks: new Set() }));
  void console.fleet.actions.run(action);
}

function handleQuitKey(console: Console, { press, isSingle }: Press): void {
  switch (commandOf('quit', press)) {
    case 'quit.keep':
    case 'interrupt':
      return console.leave('keep');
    case 'quit.stop':
      return isSingle ? console.leave('stop') : undefined;
    case 'quit.cancel':
      return close(console);
    default:
  }
}
