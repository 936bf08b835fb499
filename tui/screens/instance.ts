import type { Command } from '../keys/bindings.ts';
import { INSTANCE_TABS, type Location, type Tab } from '../store/location.ts';
import { NOTHING } from '../store/wants.ts';
import { paintLine, type Span } from '../widgets/line.ts';
import type { Console } from './console.ts';
import { runInLog } from './log.ts';
import { logLines } from './log-lines.ts';
import { turnTo } from './navigate.ts';
import type { LongText, Look, Screen, Size, View } from './screen.ts';
import { scrollLog } from './scroll-log.ts';
import { summaryLines } from './summary-lines.ts';

const TITLES: Readonly<Record<Tab, string>> = { summary: 'Summary', logs: 'Logs' };

/** One instance, in tabs. */
export const instanceScreen: Screen = {
  place: ({ at }) => spotOf(at).tab,
  lines: instanceLines,
  text: summaryText,
  instance: ({ ui }) => spotOf(ui.at).name,
  describe: ({ ui }) => ({ kind: 'instance', name: spotOf(ui.at).name }),
  command({ ui }) {
    const { name, tab } = spotOf(ui.at);
    return tab === 'logs' ? `databases logs ${name}` : `databases show ${name}`;
  },
  wants({ ui }) {
    const { name, tab } = spotOf(ui.at);
    return tab === 'logs' ? { log: name } : NOTHING;
  },
  move(console, by, size) {
    if (spotOf(console.ui.get().at).tab !== 'logs') return false;
    scrollLog(console, by, size);
    return true;
  },
  run,
  clear({ ui }) {
    const { at, log } = ui.get();
    if (spotOf(at).tab !== 'logs' || log.search === '') return false;
    ui.update((state) => ({ ...state, log: { ...state.log, search: '', match: null } }));
    return true;
  },
};

type InstanceSpot = Extract<Location, { screen: 'instance' }>;

function spotOf(at: Location): InstanceSpot {
  if (at.screen !== 'instance') throw new Error(`${at.screen} is not about one instance`);
  return at;
}

function run(console: Console, command: Command, size: Size): boolean {
  const { name, tab } = spotOf(console.ui.get().at);
  const turn = (by: number) => {
    const next = (INSTANCE_TABS.indexOf(tab) + by + INSTANCE_TABS.length) % INSTANCE_TABS.length;
    turnTo(console, { screen: 'instance', name, tab: INSTANCE_TABS[next] ?? 'summary' });
    return true;
  };
  switch (command) {
    case 'tab.next':
      return turn(1);
    case 'tab.before':
      return turn(-1);
    case 'logs':
      turnTo(console, { screen: 'instance', name, tab: 'logs' });
      return true;
    default:
      return tab === 'logs' && runInLog(console, command, size);
  }
}

function summaryText(view: View): LongText | null {
  const { name, tab } = spotOf(view.ui.at);
  const instance = view.fleet.instances.get(name);
  if (tab !== 'summary' || instance === undefined) return null;
  return { id: topOfSummary(name), length: summaryLines(view, instance).length, room: textRows(view.size) };
}

function topOfSummary(name: string): string {
  return `summary:${name}`;
}

/** What the tabs and a blank leave. */
function textRows({ rows }: Size): number {
  return Math.max(1, rows - 2);
}

function instanceLines(view: View): string[] {
  const { name } = spotOf(view.ui.at);
  const head = tabsLine(view);
  if (!view.fleet.instances.has(name)) {
    const gone = view.theme.paint('warn', ` ${name} is not there any more: it was deleted. Esc leads back.`);
    return [head, '', gone];
  }
  return [head, ...tabLines(view, name)];
}

function tabsLine({ ui, theme, size }: View): string {
  const { name, tab: chosen } = spotOf(ui.at);
  const tabs = INSTANCE_TABS.flatMap((tab): Span[] => [
    [tab === chosen ? 'chosen' : 'muted', ` ${TITLES[tab]} `],
    ['plain', ' '],
  ]);
  return paintLine(theme, [['strong', ` ${name}`], ['plain', '  '], ...tabs], size.columns);
}

function tabLines(view: View, name: string): string[] {
  const { fleet, ui } = view;
  switch (spotOf(ui.at).tab) {
    case 'summary': {
      const instance = fleet.instances.get(name);
      if (instance === undefined) return [];
      return ['', ...summaryLines(view, instance).slice(ui.tops[topOfSummary(name)] ?? 0)];
    }
    case 'logs':
      return logLines(view, openLog(view, name));
  }
}

function openLog({ fleet }: Look, name: string) {
  return fleet.log?.name === name ? fleet.log : null;
}
