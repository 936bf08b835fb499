import { confirmDialog } from '../../dialogs/confirm-dialog.ts';
import { copyDialog } from '../../dialogs/copy-dialog.ts';
import type { DialogArea } from '../../dialogs/dialog-box.ts';
import { formDialog } from '../../dialogs/form-dialog.ts';
import { helpDialog } from '../../dialogs/help-dialog.ts';
import { paletteDialog, paletteEntries } from '../../dialogs/palette.ts';
import { quitDialog } from '../../dialogs/quit-dialog.ts';
import { keyFor } from '../../keys/places.ts';
import type { Box, Frame } from '../../widgets/drawing/repaint.ts';
import {
  bodySize,
  type Console,
  type ConsoleState,
  isTooSmall,
  type Size,
  SMALLEST,
  type View,
} from '../console.ts';
import { questionOf } from '../input/answer-guard.ts';
import { isWaiting, placeBelow, placeOf, screenOf } from '../screens.ts';
import { footerLine, headerLine, statusLine } from './chrome.ts';
import { waitingLines } from './waiting-lines.ts';

/** Draws the whole console: header, screen, status line and footer, with an open dialog over the screen. */
export function frameOf(console: Console, state: ConsoleState, size: Size): Frame {
  const { fleet, ui } = state;
  if (isTooSmall(size)) return tooSmall(size, ui.redraws);
  const { live, stale } = console.themes;
  const body = bodySize(size);
  const theme = fleet.link.kind === 'live' || screenOf(ui).worksOffline === true ? live : stale;
  const view: View = { ...state, theme, size: body };
  const box = dialogOf(state, { theme: live, ...body });
  return {
    columns: size.columns,
    rows: [
      headerLine(live, console, view),
      ...exactly(body.rows, bodyLines(console, view)),
      statusLine(live, fleet, ui, size.columns),
      footerLine(live, ui, placeOf(ui, fleet), size.columns),
    ],
    // The body starts below the header.
    box: box === null ? null : { ...box, top: box.top + 1 },
    redraws: ui.redraws,
  };
}

function bodyLines({ themes, address }: Console, view: View): readonly string[] {
  if (isWaiting(view.ui, view.fleet)) return waitingLines({ ...view, theme: themes.live }, address);
  return screenOf(view.ui).lines(view);
}

function dialogOf({ fleet, ui }: ConsoleState, over: DialogArea): Box | null {
  if (ui.prompt?.kind === 'palette') {
    return paletteDialog(
      over,
      paletteEntries(placeBelow(ui, fleet), fleet, ui.prompt.text),
      ui.prompt.choice,
    );
  }
  const ready = ui.dialog !== null && ui.answerable === questionOf(ui.dialog);
  switch (ui.dialog?.kind) {
    case 'confirm':
      return confirmDialog(over, ui.dialog.action, { past: fleet.actions, ready });
    case 'help':
      return helpDialog(over, placeBelow(ui, fleet), ui.dialog.top);
    case 'form':
      return formDialog(over, ui.dialog.form, ready);
    case 'copy':
      return copyDialog(over, ui.dialog.choices, ui.dialog.choice);
    case 'quit':
      return quitDialog(over, ready);
    case undefined:
      return null;
  }
}

function tooSmall(size: Size, redraws: number): Frame {
  const lines = [
    `${size.columns}×${size.rows} is too small`,
    `needs ${SMALLEST.columns}×${SMALLEST.rows}`,
    `${keyFor('leave')} quits`,
  ].map((line) => line.slice(0, size.columns));
  return { columns: size.columns, rows: exactly(size.rows, lines), box: null, redraws };
}

/** Exactly `height` lines: cuts the rest or adds blank lines. */
function exactly(height: number, lines: readonly string[]): string[] {
  return Array.from({ length: height }, (_, index) => lines[index] ?? '');
}
