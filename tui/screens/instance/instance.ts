import type { Command } from '../../keys/commands.ts';
import { keyFor, type Place } from '../../keys/places.ts';
import { INSTANCE_TABS, type Tab } from '../../store/view/location.ts';
import { paintLine, paintSplit, type Span, widthOfSpans } from '../../widgets/line.ts';
import { phaseSpan } from '../../widgets/phase-counts.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import { cut } from '../../widgets/text.ts';
import { runInBackups } from '../backups/database-backups.ts';
import type { Console, ConsoleState, Size, View } from '../console.ts';
import { openSpot, switchTo } from '../input/navigate.ts';
import { clearSearch, runInLog } from '../logs/log.ts';
import { scrollLog } from '../logs/scroll-log.ts';
import type { List, LongText, Screen } from '../screen.ts';
import { instanceCopies } from './instance-copies.ts';
import { INSTANCE_TAB, type InstanceTab, instanceSpot } from './instance-tabs.ts';

/** One instance, with tabs. */
export const instanceScreen: Screen = {
  place: ({ at }) => placeOfTab(instanceSpot(at).tab),
  lines: instanceLines,
  list: (state: ConsoleState): List | null => tabOf(state).list?.(state, nameOf(state)) ?? null,
  text: (view: View): LongText | null => tabOf(view).text?.(view, nameOf(view)) ?? null,
  tabs: (view) => ({ row: 0, strip: stripOf(view), turn: switchToTab }),
  instance: nameOf,
  describe: (state) =>
    tabOf(state).describe?.(state, nameOf(state)) ?? { kind: 'instance', name: nameOf(state) },
  command: (state) => tabOf(state).command(nameOf(state)),
  copies(state) {
    const instance = state.fleet.instances.get(nameOf(state));
    const own = tabOf(state).copies?.(state, nameOf(state)) ?? [];
    return instance === undefined ? own : [...own, ...instanceCopies(instance, state.fleet.now)];
  },
  plain: (state) => tabOf(state).plain?.(state) ?? null,
  needs: (state) => tabOf(state).needs(state, nameOf(state)),
  move(console, by, size) {
    if (instanceSpot(console.ui.get().at).tab !== 'logs') return false;
    scrollLog(console, by, size);
    return true;
  },
  run,
  clear: (console) => instanceSpot(console.ui.get().at).tab === 'logs' && clearSearch(console),
};

function placeOfTab(tab: Tab): Place {
  return tab === 'backups' ? 'database-backups' : tab;
}

function tabOf({ ui }: Pick<ConsoleState, 'ui'>): InstanceTab {
  return INSTANCE_TAB[instanceSpot(ui.at).tab];
}

function nameOf({ ui }: Pick<ConsoleState, 'ui'>): string {
  return instanceSpot(ui.at).name;
}

function switchToTab(console: Console, index: number): void {
  const { name } = instanceSpot(console.ui.get().at);
  switchTo(console, { screen: 'instance', name, tab: INSTANCE_TABS[index] ?? 'summary' });
}

function run(console: Console, command: Command, size: Size): boolean {
  const { name, tab } = instanceSpot(console.ui.get().at);
  const turn = (to: Tab | undefined) => {
    switchTo(console, { screen: 'instance', name, tab: to ?? 'summary' });
    return true;
  };
  const beside = (by: number) =>
    INSTANCE_TABS[(INSTANCE_TABS.indexOf(tab) + by + INSTANCE_TABS.length) % INSTANCE_TABS.length];
  switch (command) {
    case 'tab.next':
      return turn(beside(1));
    case 'tab.previous':
      return turn(beside(-1));
    case 'logs':
      return turn('logs');
    case 'open': {
      const spot = INSTANCE_TAB[tab].opens?.(console) ?? null;
      if (spot !== null) openSpot(console, spot);
      return true;
    }
    default:
      if (tab === 'backups') return runInBackups(console, command, name);
      return tab === 'logs' && runInLog(console, command, size);
  }
}

function instanceLines(view: View): string[] {
  const name = nameOf(view);
  const head = tabsLine(view);
  const instance = view.fleet.instances.get(name);
  if (instance === undefined) {
    const gone = view.theme.paint('warn', ` ${name} was deleted. ${keyFor('back')} goes back.`);
    return [head, '', gone];
  }
  return [head, ...tabOf(view).lines(view, instance)];
}

/** Columns for the day, the number and the start of the owner's name. */
const MIN_NAME = 20;

/** Tabs are never cut. The name and the note beside the tabs are shortened or left out. */
function tabsLine(view: View): string {
  const { theme, size } = view;
  const note = noteOf(view);
  const room = nameWidths(view);
  const left = tabSpans(stripOf(view));
  return note === null || room.withNote < MIN_NAME
    ? paintLine(theme, left, size.columns)
    : paintSplit(theme, left, note, size.columns);
}

function stripOf(view: View): TabStrip {
  const { name, tab } = instanceSpot(view.ui.at);
  const { withNote, withoutNote } = nameWidths(view);
  const shown = cut(name, withNote < MIN_NAME ? withoutNote : withNote);
  return {
    before: [
      ['strong', ` ${shown}`],
      ['plain', '  '],
    ],
    titles: TITLES,
    chosen: INSTANCE_TABS.indexOf(tab),
  };
}

const TITLES = INSTANCE_TABS.map((tab) => INSTANCE_TAB[tab].title);

/** Columns for the name, with and without the note beside the tabs. */
function nameWidths(view: View): { withNote: number; withoutNote: number } {
  const tabs = tabSpans({ before: [], titles: TITLES, chosen: 0 });
  const withoutNote = view.size.columns - 3 - widthOfSpans(tabs);
  return { withoutNote, withNote: withoutNote - widthOfSpans(noteOf(view) ?? []) - 1 };
}

/** The note at the right of the tabs; null if there is none. */
function noteOf(view: View): Span[] | null {
  const { name, tab } = instanceSpot(view.ui.at);
  const instance = view.fleet.instances.get(name);
  const note =
    INSTANCE_TAB[tab].note?.(view, name) ?? (instance === undefined ? [] : [phaseSpan(instance.phase)]);
  return note.length === 0 ? null : [...note, ['plain', ' ']];
}
