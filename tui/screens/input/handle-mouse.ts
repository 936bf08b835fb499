import { helpLines, helpRows } from '../../dialogs/help-dialog.ts';
import type { MouseEvent } from '../../keys/mouse.ts';
import { cursorIndex, visibleTop } from '../../store/view/cursor.ts';
import { TOP_SCREENS, topLocation } from '../../store/view/location.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import { tabAt } from '../../widgets/tabs.ts';
import { bodySize, type Console, isTooSmall, type Size, stateOf, type View } from '../console.ts';
import { headerTabs } from '../frame/chrome.ts';
import { isWaiting, placeBelow, screenOf } from '../screens.ts';
import { navigateTo } from './navigate.ts';
import { runCommand } from './run-command.ts';

/** Number of rows per step of the wheel. */
const WHEEL_ROWS = 3;

/** Handles the mouse: a click selects a row or a tab, the wheel scrolls. The mouse never runs an action. */
export function handleMouse(console: Console, event: MouseEvent, size: Size): void {
  if (isTooSmall(size)) return;
  const { dialog, prompt } = console.ui.get();
  if (dialog?.kind === 'help' && event.kind === 'wheel')
    return scrollHelp(console, dialog.top, event.by, size);
  // Dialogs and prompts accept only keys.
  if (dialog !== null || prompt !== null) return;
  if (event.kind === 'wheel') return scroll(console, event.by, bodySize(size));
  click(console, event, size);
}

function scrollHelp({ ui, fleet }: Console, from: number, by: number, size: Size): void {
  const place = placeBelow(ui.get(), fleet.store.get());
  const most = Math.max(0, helpLines(place).length - helpRows(bodySize(size).rows));
  const next = Math.min(most, Math.max(0, from + by * WHEEL_ROWS));
  ui.update((state) => ({ ...state, dialog: { kind: 'help', top: next } }));
}

function scroll(console: Console, by: 1 | -1, size: Size): void {
  if (isWaiting(console.ui.get(), console.fleet.store.get())) return;
  for (let row = 0; row < WHEEL_ROWS; row += 1) runCommand(console, by === 1 ? 'down' : 'up', size);
}

function click(console: Console, { column, row }: { column: number; row: number }, size: Size): void {
  const state = stateOf(console);
  const body = bodySize(size);
  const view: View = { ...state, theme: console.themes.live, size: body };
  if (row === 0) {
    const index = tabAt(headerTabs(console, view), column);
    const screen = index === null ? undefined : TOP_SCREENS[index];
    return screen === undefined ? undefined : navigateTo(console, topLocation(screen.id));
  }
  if (isWaiting(state.ui, state.fleet)) return;
  const screen = screenOf(state.ui);
  // The header takes the first row.
  const line = row - 1;
  const tabs = screen.tabs?.(view) ?? null;
  if (tabs?.row === line) {
    const index = tabAt(tabs.strip, column);
    return index === null ? undefined : tabs.turn(console, index);
  }
  selectRow(console, line, body);
}

/** Selects the row under the mouse. A click on the selected row opens it. */
function selectRow(console: Console, line: number, size: Size): void {
  const state = stateOf(console);
  const list = screenOf(state.ui).list?.(state) ?? null;
  if (list === null) return;
  const cursor = cursorOf(state.ui, list.id);
  const room = list.room(size);
  const before = cursorIndex(list.keys, cursor);
  const first = visibleTop(cursor.top, before, room, list.keys.length);
  const offset = line - list.from(size);
  const index = first + offset;
  const key = list.keys[index];
  if (offset < 0 || offset >= room || key === undefined) return;
  if (index === before) return runCommand(console, 'open', size);
  console.ui.update((ui) => ({
    ...ui,
    notice: null,
    cursors: { ...ui.cursors, [list.id]: { key, index, top: first } },
  }));
}
