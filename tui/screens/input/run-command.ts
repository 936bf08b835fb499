import type { Command } from '../../keys/commands.ts';
import { keyFor } from '../../keys/places.ts';
import type { ConfirmedVerb } from '../../store/actions/actions.ts';
import { cursorIndex, type Move, moveCursor, scrollTop } from '../../store/view/cursor.ts';
import { TOP_SCREENS, topLocation } from '../../store/view/location.ts';
import { targetsOf } from '../../store/view/rows.ts';
import { cursorOf, filterOf, type UiState, withFilter } from '../../store/view/ui-state.ts';
import { type Console, redraw, type Size, showNotice, stateOf } from '../console.ts';
import { offerDeletion } from '../databases/deletion.ts';
import { loadOlder } from '../events/older-items.ts';
import { openNextProblem } from '../overview/next-problem.ts';
import { screenOf } from '../screens.ts';
import { offerCopies, saveScreen } from './copying.ts';
import { moveInHistory, navigateTo, openSpot } from './navigate.ts';
import { startAction } from './start-action.ts';

/** Runs the command of a key outside of dialogs and prompts. `size` is the size of the body. */
export function runCommand(console: Console, command: Command, size: Size): void {
  if (screenOf(console.ui.get()).run?.(console, command, size) === true) return;
  COMMON_COMMANDS[command]?.(console, size);
}

/** Commands that work the same on every screen. Screens run their own commands. */
const COMMON_COMMANDS: Partial<Record<Command, (console: Console, size: Size) => void>> = {
  ...Object.fromEntries(
    TOP_SCREENS.map(({ id }) => [`screen.${id}`, (console: Console) => navigateTo(console, topLocation(id))]),
  ),
  palette: (console) => change(console, { prompt: { kind: 'palette', text: '', before: '', choice: 0 } }),
  help: (console) => change(console, { dialog: { kind: 'help', top: 0 } }),
  leave,
  interrupt: leave,
  refresh,
  back: goBack,
  'history.back': (console) => moveInHistory(console, 'back'),
  'history.forward': (console) => moveInHistory(console, 'forward'),
  up: (console, size) => move(console, -1, size),
  down: (console, size) => move(console, 1, size),
  'page.up': (console, size) => move(console, 'page.up', size),
  'page.down': (console, size) => move(console, 'page.down', size),
  first: (console, size) => move(console, 'first', size),
  last: (console, size) => move(console, 'last', size),
  'problem.next': (console) => openNextProblem(console, 1),
  'problem.previous': (console) => openNextProblem(console, -1),
  describe,
  mouse: toggleMouse,
  copy: offerCopies,
  save: (console) => void saveScreen(console),
  filter: askForFilter,
  open: (console) => openInstance(console, 'summary'),
  logs: (console) => openInstance(console, 'logs'),
  'database.delete': (console) => offerDeletion(console, chosenInstance(console)),
  start: (console) => actOnInstances(console, 'start'),
  stop: (console) => actOnInstances(console, 'stop'),
  restart: (console) => actOnInstances(console, 'restart'),
  sleep: (console) => actOnInstances(console, 'sleep'),
  wake: (console) => actOnInstances(console, 'wake'),
};

function change({ ui }: Console, part: Partial<UiState>): void {
  ui.update((state) => ({ ...state, ...part }));
}

function toggleMouse(console: Console): void {
  const mouse = !console.ui.get().mouse;
  change(console, { mouse });
  showNotice(
    console,
    mouse
      ? 'The mouse selects rows and scrolls. Hold Shift (Option on a Mac) to select text.'
      : `The mouse selects text. ${keyFor('mouse')} switches it back.`,
  );
}

function refresh(console: Console): void {
  redraw(console);
  console.fleet.refresh();
}

function leave(console: Console): void {
  if (console.ownsDaemon) return change(console, { dialog: { kind: 'quit' } });
  console.leave('keep');
}

function openInstance(console: Console, tab: 'summary' | 'logs'): void {
  const name = chosenInstance(console);
  if (name !== null) openSpot(console, { screen: 'instance', name, tab });
}

/** The name of the instance that is selected or shown. */
function chosenInstance(console: Console): string | null {
  return screenOf(console.ui.get()).instance?.(stateOf(console)) ?? null;
}

function describe(console: Console): void {
  const thing = screenOf(console.ui.get()).describe?.(stateOf(console)) ?? null;
  if (thing === null) return showNotice(console, 'Nothing is selected.');
  openSpot(console, { screen: 'describe', thing });
}

/** Esc removes one thing at a time: a failed action, a filter, marks or a search. If there is nothing, it goes back. */
function goBack(console: Console): void {
  const state = console.ui.get();
  const last = console.fleet.store.get().actions.at(-1);
  if (last?.state === 'failed' && last.id > state.dismissed) {
    return change(console, { dismissed: last.id });
  }
  const screen = screenOf(state);
  const list = screen.list?.(stateOf(console)) ?? null;
  if (list !== null && filterOf(state, list.id) !== '') return console.ui.set(withFilter(state, list.id, ''));
  if (screen.clear?.(console) === true) return;
  const to = state.at.from ?? topLocation('overview');
  if (to.screen !== state.at.screen || state.at.from !== null) navigateTo(console, to);
}

function move(console: Console, by: Move | 'page.up' | 'page.down', size: Size): void {
  const { ui, themes } = console;
  const screen = screenOf(ui.get());
  if (screen.move?.(console, by, size) === true) return;
  const state = stateOf(console);
  const list = screen.list?.(state) ?? null;
  if (list !== null) {
    const room = list.room(size);
    const before = cursorOf(state.ui, list.id);
    const cursor = moveCursor(list.keys, before, pages(by, room), room);
    change(console, { cursors: { ...state.ui.cursors, [list.id]: cursor } });
    const past = isForward(by) && cursorIndex(list.keys, before) === list.keys.length - 1;
    return past && list.older !== undefined ? loadOlder(console, list.older) : undefined;
  }
  const text = screen.text?.({ ...state, theme: themes.live, size }) ?? null;
  if (text === null) return;
  const next = scrollTop(state.ui.tops[text.id] ?? 0, pages(by, text.room), text);
  change(console, { tops: { ...state.ui.tops, [text.id]: next } });
}

function isForward(by: Move | 'page.up' | 'page.down'): boolean {
  return by === 'page.down' || by === 'last' || (typeof by === 'number' && by > 0);
}

function pages(by: Move | 'page.up' | 'page.down', room: number): Move {
  if (by === 'page.up') return -room;
  return by === 'page.down' ? room : by;
}

function askForFilter(console: Console): void {
  const list = screenOf(console.ui.get()).list?.(stateOf(console)) ?? null;
  if (list?.filterHint === undefined) return;
  const text = filterOf(console.ui.get(), list.id);
  change(console, { prompt: { kind: 'filter', list: list.id, hint: list.filterHint, text, before: text } });
}

function actOnInstances(console: Console, verb: ConfirmedVerb): void {
  const state = stateOf(console);
  const { fleet, ui } = state;
  const several = screenOf(ui).targets?.(state) ?? [];
  if (several.length > 0) return startAction(console, { verb, names: several });
  const chosen = chosenInstance(console);
  // On other screens the marks are not visible.
  const names = targetsOf(fleet, ui.at.screen === 'instances' ? ui.marks : new Set(), chosen);
  if (names.length > 0) return startAction(console, { verb, names });
  showNotice(
    console,
    chosen === null
      ? 'No instance is selected.'
      : 'The daemon manages the global database. To restart it, restart fathomd.',
  );
}
