import { helpLines, helpRows } from '../../dialogs/help-dialog.ts';
import { commandOf } from '../../keys/places.ts';
import type { Dialog } from '../../store/view/ui-state.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, type Size, showNotice } from '../console.ts';
import { placeBelow } from '../screens.ts';
import type { Press } from './answer-guard.ts';
import { handleCopyKey } from './copying.ts';
import { handleFormKey } from './form-keys.ts';

/** What keys do while a dialog lies over the screen. `size` is the body's. */
export function handleDialogKey(console: Console, dialog: Dialog, { press, alone }: Press, size: Size): void {
  if (!console.answers.accepts(dialog)) return;
  switch (dialog.kind) {
    case 'form':
      return handleFormKey(console, dialog.form, { press, alone });
    case 'help':
      return scrollHelp(console, dialog, press, size);
    case 'confirm':
      return answer(console, dialog, { press, alone });
    case 'copy':
      return handleCopyKey(console, dialog, press);
    case 'quit':
      return answerQuit(console, { press, alone });
  }
}

function close({ ui }: Console): void {
  ui.update((state) => ({ ...state, dialog: null }));
}

function scrollHelp(console: Console, { top }: Extract<Dialog, { kind: 'help' }>, press: string, size: Size) {
  const { ui, fleet } = console;
  const place = placeBelow(ui.get(), fleet.store.get());
  const most = Math.max(0, helpLines(place).length - helpRows(size.rows));
  const step = SCROLL[press];
  if (step === undefined) return close(console);
  const next = Math.min(most, Math.max(0, top + step));
  ui.update((state) => ({ ...state, dialog: { kind: 'help', top: next } }));
}

function answer(
  console: Console,
  { action }: Extract<Dialog, { kind: 'confirm' }>,
  { press, alone }: Press,
): void {
  const command = commandOf('confirm', press);
  if (command === null || (command === 'confirm.yes' && !alone)) return;
  close(console);
  if (command !== 'confirm.yes') return;
  // The link may have gone while the question stood.
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return showNotice(console, off);
  console.ui.update((state) => ({ ...state, marks: new Set() }));
  void console.fleet.actions.run(action);
}

function answerQuit(console: Console, { press, alone }: Press): void {
  switch (commandOf('quit', press)) {
    case 'quit.keep':
    case 'interrupt':
      return console.leave('keep');
    case 'quit.stop':
      return alone ? console.leave('stop') : undefined;
    case 'quit.cancel':
      return close(console);
    default:
  }
}

const SCROLL: Readonly<Record<string, number>> = {
  up: -1,
  k: -1,
  down: 1,
  j: 1,
  pageup: -10,
  pagedown: 10,
  home: -1000,
  g: -1000,
  end: 1000,
  G: 1000,
};
