import { type TimelineEntry, timelineOf } from '../../store/events/timeline.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { EVENT_TABS, type EventTab, type Location } from '../../store/view/location.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import { paintLine, paintSplit, type Span } from '../../widgets/line.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import { type Console, type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { loadError } from '../frame/hints.ts';
import { detailRows } from '../frame/list-detail.ts';
import { openSpot, switchTo } from '../input/navigate.ts';
import type { List, Screen } from '../screen.ts';
import { noMatchText, positionSpans } from './older-items.ts';
import { eventCopies, olderItems, timelineError, timelineLines, timelineNeeds } from './timeline.ts';

const TITLES: Readonly<Record<EventTab, string>> = { all: 'All', fleet: 'Instances', audit: 'Audit' };

/** Events of the instances, and the audit log. */
export const eventsScreen: Screen = {
  place: () => 'events',
  lines: eventsLines,
  list: listOf,
  tabs: ({ ui }) => ({ row: 0, strip: stripOf(tabOf(ui.at)), turn: switchToTab }),
  instance(state) {
    const on = chosenOf(state)?.on ?? '';
    return state.fleet.instances.has(on) ? on : null;
  },
  describe(state) {
    const chosen = chosenOf(state);
    return chosen === undefined ? null : { kind: 'event', key: chosen.key, name: null };
  },
  command: () => 'audit list',
  copies: (state) => eventCopies(chosenOf(state)),
  needs: (state) => timelineNeeds(state, null),
  run(console, command) {
    if (command === 'open') return openChosen(console);
    const by = command === 'tab.next' ? 1 : command === 'tab.previous' ? -1 : 0;
    if (by === 0) return false;
    const tab = EVENT_TABS.indexOf(tabOf(console.ui.get().at));
    return switchToTab(console, (tab + by + EVENT_TABS.length) % EVENT_TABS.length);
  },
};

function switchToTab(console: Console, index: number): true {
  switchTo(console, { screen: 'events', tab: EVENT_TABS[index] ?? 'all' });
  return true;
}

function stripOf(tab: EventTab): TabStrip {
  const titles = EVENT_TABS.map((one) => TITLES[one]);
  return { before: [['plain', ' ']], titles, chosen: EVENT_TABS.indexOf(tab) };
}

/** Opens the instance of the selected event if it exists, else the fields of the event. */
function openChosen(console: Console): true {
  const chosen = chosenOf(stateOf(console));
  if (chosen === undefined) return true;
  const exists = console.fleet.store.get().instances.has(chosen.on);
  openSpot(
    console,
    exists
      ? { screen: 'instance', name: chosen.on, tab: 'summary' }
      : { screen: 'describe', thing: { kind: 'event', key: chosen.key, name: null } },
  );
  return true;
}

function tabOf(at: Location): EventTab {
  if (at.screen !== 'events') throw new Error(`not an events screen: ${at.screen}`);
  return at.tab;
}

function listId(at: Location): string {
  return `events:${tabOf(at)}`;
}

function entriesOf({ fleet, ui }: ConsoleState): readonly TimelineEntry[] {
  return timelineOf(fleet, { tab: tabOf(ui.at), name: null, filter: filterOf(ui, listId(ui.at)) });
}

function listOf(state: ConsoleState): List {
  return {
    id: listId(state.ui.at),
    keys: entriesOf(state).map(({ key }) => key),
    from: () => 2,
    room: listRows,
    filterHint: 'actor, event, target, outcome, detail',
    older: olderItems(state, tabOf(state.ui.at), null),
  };
}

/** Rows without the tabs, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function chosenOf(state: ConsoleState): TimelineEntry | undefined {
  const entries = entriesOf(state);
  return entries[
    cursorIndex(
      entries.map(({ key }) => key),
      cursorOf(state.ui, listId(state.ui.at)),
    )
  ];
}

function eventsLines(view: View): string[] {
  const { ui, size } = view;
  const id = listId(ui.at);
  const entries = entriesOf(view);
  const cursor = cursorOf(ui, id);
  const index = cursorIndex(
    entries.map(({ key }) => key),
    cursor,
  );
  return [
    headLine(view, index, entries.length),
    ...timelineLines(view, entries, {
      cursor,
      index,
      room: listRows(size),
      named: true,
      empty: filterOf(ui, id) === '' ? 'No events yet.' : noMatchText(olderItems(view, tabOf(ui.at), null)),
    }),
  ];
}

function headLine(view: View, index: number, count: number): string {
  const { fleet, ui, theme, size } = view;
  const chosen = tabOf(ui.at);
  const tabs = tabSpans(stripOf(chosen));
  const problem = timelineError(fleet, chosen, null);
  if (problem !== null) {
    return paintLine(theme, [...tabs, ['bad', ` ${loadError(problem)}`]], size.columns);
  }
  const filter = filterOf(ui, listId(ui.at));
  const right: Span[] = [
    ...(fleet.audit === null ? [['busy', '◌ loading the audit log  '] as Span] : []),
    ...(filter === '' ? [] : [['warn', `/${filter}  `] as Span]),
    ['muted', 'newest first  '],
    ...positionSpans(index, count, olderItems(view, chosen, null)),
  ];
  return paintSplit(theme, tabs, right, size.columns);
}
