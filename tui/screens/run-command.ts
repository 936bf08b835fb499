import type { Command } from '../keymap.ts';
import type { Verb } from '../store/action-line.ts';
import { cursorIndex, type Move, moveCursor } from '../store/cursor.ts';
import { problemsOf } from '../store/problems.ts';
import { namesOf, targetsOf } from '../store/rows.ts';
import { nextSort } from '../store/sort.ts';
import { INITIAL_LOG_VIEW, type Tab, type UiState } from '../store/ui-state.ts';
import { actionsOff } from '../widgets/link-words.ts';
import type { Console, Size } from './console.ts';
import { listRows } from './instances-lines.ts';
import { problemNames, problemRows } from './overview-lines.ts';
import { findMatch, scrollLog } from './run-log.ts';
import { say } from './say.ts';
import { summaryLines, summaryRows } from './summary-lines.ts';

/** Does what a key means outside of dialogs and prompts. `size` is the body's. */
export function runCommand(console: Console, command: Command, size: Size): void {
  const { ui } = console;
  const change = (part: Partial<UiState>) => ui.update((state) => ({ ...state, ...part }));
  switch (command) {
    case 'screen.overview':
      return change({ screen: 'overview' });
    case 'screen.instances':
      return change({ screen: 'instances' });
    case 'palette':
      return change({ prompt: { kind: 'palette', text: '', before: '', choice: 0 } });
    case 'help':
      return change({ dialog: { kind: 'help', top: 0 } });
    case 'leave':
    case 'interrupt':
      if (console.ownsDaemon) return change({ dialog: { kind: 'quit' } });
      return console.leave('keep');
    case 'retry':
      return console.fleet.retryNow();
    case 'back':
      return goBack(console);
    case 'up':
      return move(console, -1, size);
    case 'down':
      return move(console, 1, size);
    case 'page.up':
      return move(console, -pageOf(console, size), size);
    case 'page.down':
      return move(console, pageOf(console, size), size);
    case 'first':
    case 'last':
      return move(console, command, size);
    case 'open':
      return open(console, chosenName(console), 'summary');
    case 'logs':
      return open(console, chosenName(console), 'logs');
    case 'tab':
      return change({ tab: ui.get().tab === 'logs' ? 'summary' : 'logs' });
    case 'filter':
      return change({
        prompt: { kind: 'filter', text: ui.get().filter, before: ui.get().filter, choice: 0 },
      });
    case 'search':
      return change({ prompt: { kind: 'search', text: '', before: ui.get().log.search, choice: 0 } });
    case 'search.older':
      return findMatch(console, 'older', size);
    case 'search.newer':
      return findMatch(console, 'newer', size);
    case 'log.follow':
      return ui.update((state) => ({
        ...state,
        log: { ...state.log, end: state.log.end === null ? logEnd(console) : null },
      }));
    case 'log.wrap':
      return ui.update((state) => ({ ...state, log: { ...state.log, wrap: !state.log.wrap } }));
    case 'sort.next':
      return change({ sort: nextSort(ui.get().sort) });
    case 'sort.reverse':
      return change({ sort: { ...ui.get().sort, reversed: !ui.get().sort.reversed } });
    case 'mark':
      return mark(console, size);
    case 'mark.all':
      return markAll(console);
    case 'start':
    case 'stop':
    case 'restart':
      return act(console, command);
    case 'confirm.yes':
    case 'confirm.no':
    case 'quit.keep':
    case 'quit.stop':
    case 'quit.cancel':
      // Only dialogs have these; `run-dialog.ts` answers them.
      return;
  }
}

/** The instance that the cursor, or the screen, is about. */
export function chosenName(console: Console): string | null {
  const ui = console.ui.get();
  const fleet = console.fleet.store.get();
  switch (ui.screen) {
    case 'overview': {
      const names = problemNames(problemsOf(fleet));
      return names[cursorIndex(names, ui.problems)] ?? null;
    }
    case 'instances': {
      const names = namesOf(console.rows(fleet, ui));
      return names[cursorIndex(names, ui.list)] ?? null;
    }
    case 'instance':
      return ui.instance;
  }
}

export function open(console: Console, name: string | null, tab: Tab): void {
  if (name === null) return;
  console.ui.update((state) => ({
    ...state,
    screen: 'instance',
    back: state.screen === 'instance' ? state.back : state.screen,
    instance: name,
    tab,
    summaryTop: 0,
    log: { ...INITIAL_LOG_VIEW, wrap: state.log.wrap },
  }));
}

/** Esc takes away one thing at a time: a failed action, a search, a filter, the marks, and then the screen. */
function goBack({ ui, fleet }: Console): void {
  const state = ui.get();
  const last = fleet.store.get().actions.at(-1);
  if (last?.state === 'failed' && last.id > state.dismissed) {
    return ui.set({ ...state, dismissed: last.id });
  }
  if (state.screen === 'instance') {
    if (state.tab === 'logs' && state.log.search !== '') {
      return ui.set({ ...state, log: { ...state.log, search: '', match: null } });
    }
    return ui.set({ ...state, screen: state.back, instance: null });
  }
  if (state.screen === 'overview') return;
  if (state.filter !== '') return ui.set({ ...state, filter: '' });
  if (state.marks.size > 0) return ui.set({ ...state, marks: new Set() });
  ui.set({ ...state, screen: 'overview' });
}

function pageOf(console: Console, size: Size): number {
  switch (console.ui.get().screen) {
    case 'overview':
      return problemRows({ size });
    case 'instances':
      return listRows(size);
    case 'instance':
      return Math.max(1, size.rows - 3);
  }
}

function move(console: Console, by: Move, size: Size): void {
  const { ui } = console;
  const state = ui.get();
  const fleet = console.fleet.store.get();
  switch (state.screen) {
    case 'overview': {
      const names = problemNames(problemsOf(fleet));
      return ui.set({ ...state, problems: moveCursor(names, state.problems, by, problemRows({ size })) });
    }
    case 'instances': {
      const names = namesOf(console.rows(fleet, state));
      return ui.set({ ...state, list: moveCursor(names, state.list, by, listRows(size)) });
    }
    case 'instance':
      return state.tab === 'logs' ? scrollLog(console, by, size) : scrollSummary(console, by, size);
  }
}

function scrollSummary({ ui, fleet, themes }: Console, by: Move, size: Size): void {
  const state = ui.get();
  const now = fleet.store.get();
  const instance = now.instances.get(state.instance ?? '');
  if (instance === undefined) return;
  const length = summaryLines({ fleet: now, ui: state, theme: themes.live, size }, instance).length;
  const most = Math.max(0, length - summaryRows(size));
  const wanted = by === 'first' ? 0 : by === 'last' ? most : state.summaryTop + by;
  ui.set({ ...state, summaryTop: Math.min(most, Math.max(0, wanted)) });
}

function logEnd({ fleet }: Console): number | null {
  const buffer = fleet.store.get().log?.buffer;
  return buffer === undefined ? null : buffer.first + buffer.lines.length;
}

function mark(console: Console, size: Size): void {
  const name = chosenName(console);
  const instance = name === null ? undefined : console.fleet.store.get().instances.get(name);
  if (instance === undefined) return;
  if (instance.kind === 'global')
    return say(console, 'The global database belongs to the daemon and is not acted on from here.');
  console.ui.update((state) => {
    const marks = new Set(state.marks);
    if (!marks.delete(instance.name)) marks.add(instance.name);
    return { ...state, marks };
  });
  // On to the next row: marking several in a row is one key each.
  move(console, 1, size);
}

function markAll(console: Console): void {
  const fleet = console.fleet.store.get();
  console.ui.update((state) => {
    const shown = console.rows(fleet, state).filter(({ kind }) => kind === 'user');
    const all = shown.length > 0 && shown.every(({ name }) => state.marks.has(name));
    const marks = new Set(state.marks);
    for (const { name } of shown) {
      if (all) marks.delete(name);
      else marks.add(name);
    }
    return { ...state, marks };
  });
}

function act(console: Console, verb: Verb): void {
  const fleet = console.fleet.store.get();
  const { marks, screen } = console.ui.get();
  const off = actionsOff(fleet.link, console.readOnly);
  if (off !== null) return say(console, off);
  // On the page of one instance the marks of the list are out of sight.
  const names = targetsOf(fleet, screen === 'instances' ? marks : new Set(), chosenName(console));
  const [first] = names;
  if (first === undefined) {
    return say(
      console,
      chosenName(console) === null
        ? 'There is no instance to act on.'
        : 'The global database belongs to the daemon: restart fathomd itself.',
    );
  }
  // Starting one instance does no harm; whatever cuts users off, or moves many, is asked about.
  if (verb === 'start' && names.length === 1) return void console.fleet.actions.run(verb, names);
  console.ui.update((state) => ({ ...state, dialog: { kind: 'confirm', verb, names } }));
}
