import type { DaemonLogLine, DoctorFinding } from '../../../shared/api/daemon.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { keyFor } from '../../keys/places.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { longDuration, plural, since, stamp } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { HOST_TABS, type HostTab, type Location } from '../../store/view/location.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { type Column, drawTable } from '../../widgets/table.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { loadError, loadingSpan, NO_MATCH } from '../frame/hints.ts';
import { detailRows, withDetail, withInstanceDetail } from '../frame/list-detail.ts';
import { switchTo } from '../input/navigate.ts';
import type { List, Screen } from '../screen.ts';
import { nodeDetail, nodesNote, nodesOf, nodesTable, nodesVersion } from './nodes.ts';
import { slowWakesOf, wakeKey, wakesNote, wakesTable } from './wakes.ts';

const TITLES: Readonly<Record<HostTab, string>> = {
  doctor: 'Doctor',
  'daemon-log': 'Daemon log',
  wakes: 'Wakes',
  nodes: 'Nodes',
};
/** Number of lines of the daemon's log to load. */
const LOG_LINES = 1_000;
/** Milliseconds between two requests for the log. */
const LOG_INTERVAL_MS = 2_000;

/** The host of the daemon: findings of the doctor, the log of the daemon, the slowest wakes, and the nodes of its cluster. */
export const hostScreen: Screen = {
  place: ({ at }) => tabOf(at),
  lines: hostLines,
  list: listOf,
  tabs: ({ ui }) => ({ row: 0, strip: stripOf(tabOf(ui.at)), turn: switchToTab }),
  copies: copiesOf,
  plain: (state) => (tabOf(state.ui.at) === 'daemon-log' ? plainLog(state) : null),
  needs: ({ fleet, ui }) => ({ pages: requestsFor(tabOf(ui.at), fleet.now) }),
  instance: chosenDatabase,
  describe: (state) => {
    const name = chosenDatabase(state);
    return name === null ? null : { kind: 'instance', name };
  },
  run(console, command) {
    const by = command === 'tab.next' ? 1 : command === 'tab.previous' ? -1 : 0;
    if (by !== 0) return turn(console, by);
    return command === 'open' && tabOf(console.ui.get().at) === 'doctor' && showRemedy(console);
  },
};

function tabOf(at: Location): HostTab {
  return at.screen === 'host' ? at.tab : 'doctor';
}

function turn(console: Console, by: 1 | -1): true {
  const tab = HOST_TABS.indexOf(tabOf(console.ui.get().at));
  return switchToTab(console, (tab + by + HOST_TABS.length) % HOST_TABS.length);
}

function switchToTab(console: Console, index: number): true {
  switchTo(console, { screen: 'host', tab: HOST_TABS[index] ?? 'doctor' });
  return true;
}

function stripOf(tab: HostTab): TabStrip {
  const titles = HOST_TABS.map((one) => TITLES[one]);
  return { before: [['plain', ' ']], titles, chosen: HOST_TABS.indexOf(tab) };
}

function requestsFor(tab: HostTab, now: number): PageRequest[] {
  // The status of the daemon, which is always loaded, has the wakes.
  if (tab === 'wakes') return [];
  if (tab === 'nodes')
    return [{ slot: 'nodes', key: '', version: nodesVersion(now), load: (to) => to.nodes.list() }];
  if (tab === 'doctor') return [{ slot: 'doctor', key: '', load: (to) => to.daemon.doctor() }];
  const version = String(Math.floor(now / LOG_INTERVAL_MS));
  return [
    {
      slot: 'daemonLog',
      key: '',
      version,
      load: async (to) => (await to.daemon.log({ tail: LOG_LINES })).lines,
    },
  ];
}

function listId(tab: HostTab): string {
  return `host:${tab}`;
}

const ORDER: readonly DoctorFinding['level'][] = ['fatal', 'warning', 'ok'];

/** Worst first. */
function findingsOf({ fleet, ui }: ConsoleState): readonly DoctorFinding[] {
  const all = pageOf(fleet, 'doctor', '')?.value?.findings ?? [];
  const matches = wordFilter(filterOf(ui, listId('doctor')));
  const shown = matches === null ? all : all.filter((one) => matches(Object.values(one).join('\n')));
  return shown.toSorted((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
}

/** Newest first. */
function linesOf({ fleet, ui }: ConsoleState): readonly DaemonLogLine[] {
  const all = pageOf(fleet, 'daemonLog', '')?.value ?? [];
  const matches = wordFilter(filterOf(ui, listId('daemon-log')));
  return (matches === null ? all : all.filter(({ level, text }) => matches(`${level} ${text}`))).toReversed();
}

function findingKey({ id, summary }: DoctorFinding): string {
  return `${id} ${summary}`;
}

/** Unique keys, also for equal lines of the same time. */
function lineKeys(lines: readonly DaemonLogLine[]): string[] {
  const seen = new Map<string, number>();
  return lines
    .toReversed()
    .map(({ at, text }) => {
      const key = `${at} ${text}`;
      const nth = (seen.get(key) ?? 0) + 1;
      seen.set(key, nth);
      return `${key} ${nth}`;
    })
    .toReversed();
}

function keysOf(state: ConsoleState): string[] {
  switch (tabOf(state.ui.at)) {
    case 'doctor':
      return findingsOf(state).map(findingKey);
    case 'daemon-log':
      return lineKeys(linesOf(state));
    case 'wakes':
      return slowWakesOf(state).map(wakeKey);
    case 'nodes':
      return nodesOf(state).map(({ name }) => name);
  }
}

/** The database of the selected wake; null on the other tabs. */
function chosenDatabase(state: ConsoleState): string | null {
  return tabOf(state.ui.at) === 'wakes' ? (slowWakesOf(state)[indexIn(state)]?.database ?? null) : null;
}

function listOf(state: ConsoleState): List {
  const tab = tabOf(state.ui.at);
  return {
    id: listId(tab),
    keys: keysOf(state),
    from: () => 2,
    room: listRows,
    ...(tab === 'doctor' && { filterHint: 'level, finding' }),
    ...(tab === 'daemon-log' && { filterHint: 'level, text' }),
  };
}

/** Rows without the tabs, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function indexIn(state: ConsoleState): number {
  return cursorIndex(keysOf(state), cursorOf(state.ui, listId(tabOf(state.ui.at))));
}

function copiesOf(state: ConsoleState): CopyChoice[] {
  if (tabOf(state.ui.at) === 'doctor') {
    const finding = findingsOf(state)[indexIn(state)];
    return copyChoices(
      [COPY_KEYS.finding, 'the finding', finding?.summary],
      [COPY_KEYS.remedy, 'what to do', finding?.remedy],
    );
  }
  if (tabOf(state.ui.at) === 'nodes') {
    const node = nodesOf(state)[indexIn(state)];
    return copyChoices(
      [COPY_KEYS.name, 'the name', node?.name],
      [COPY_KEYS.address, 'the address', node?.address],
    );
  }
  const name = chosenDatabase(state);
  if (tabOf(state.ui.at) === 'wakes') return copyChoices([COPY_KEYS.name, 'the name', name]);
  const line = linesOf(state)[indexIn(state)];
  return copyChoices([COPY_KEYS.line, 'the line', line && lineText(line)]);
}

function lineText({ at, level, text }: DaemonLogLine): string {
  return `${at} ${level} ${text}`;
}

function plainLog(state: ConsoleState): string {
  return linesOf(state)
    .toReversed()
    .map((line) => `${lineText(line)}\n`)
    .join('');
}

/** Shows the remedy of the selected finding, which may be too long for the rows below the list. */
function showRemedy(console: Console): true {
  const state = stateOf(console);
  const finding = tabOf(state.ui.at) === 'doctor' ? findingsOf(state)[indexIn(state)] : undefined;
  if (finding !== undefined) showNotice(console, finding.remedy ?? 'This finding needs no action.');
  return true;
}

function hostLines(view: View): string[] {
  const { fleet, ui, theme } = view;
  const tab = tabOf(ui.at);
  if (tab === 'wakes') return hostWakesLines(view);
  if (tab === 'nodes') return hostNodesLines(view);
  const page = tab === 'doctor' ? pageOf(fleet, 'doctor', '') : pageOf(fleet, 'daemonLog', '');
  const head = headLine(view);
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(
      page,
      tab === 'doctor' ? 'checking the host' : 'loading the log of the daemon',
    );
    return [head, '', theme.paint(token, ` ${words}`)];
  }
  const index = indexIn(view);
  const error = page.error === null ? null : ([['bad', ` ${loadError(page.error)}`]] as Span[]);
  if (tab === 'doctor') {
    const table = findingsTable(view);
    return [head, ...withDetail(view, table, error ?? findingDetail(findingsOf(view)[index]))];
  }
  const line = linesOf(view)[index];
  const table = logTable(view);
  return [head, ...withDetail(view, table, error ?? [[levelTone(line), ` ${line?.text ?? ''}`]])];
}

function hostWakesLines(view: View): string[] {
  const chosen = view.fleet.instances.get(chosenDatabase(view) ?? '');
  return [headLine(view), ...withInstanceDetail(view, wakesTable(view, listRows(view.size)), chosen)];
}

function hostNodesLines(view: View): string[] {
  const page = pageOf(view.fleet, 'nodes', '');
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading the nodes of the cluster');
    return [headLine(view), '', view.theme.paint(token, ` ${words}`)];
  }
  const error = page.error === null ? null : ([['bad', ` ${loadError(page.error)}`]] as Span[]);
  const detail = error ?? nodeDetail(view, nodesOf(view)[indexIn(view)]);
  return [headLine(view), ...withDetail(view, nodesTable(view, listRows(view.size)), detail)];
}

function headLine(view: View): string {
  const { fleet, ui, theme, size } = view;
  const tab = tabOf(ui.at);
  const filter = filterOf(ui, listId(tab));
  const report = pageOf(fleet, 'doctor', '')?.value ?? null;
  const right: Span[] = filter === '' ? [] : [['warn', `/${filter}  `]];
  if (tab === 'wakes') right.push(...wakesNote(view));
  else if (tab === 'nodes') right.push(...nodesNote(view));
  else if (tab === 'doctor' && report !== null) {
    const count = (level: DoctorFinding['level']) =>
      report.findings.filter((one) => one.level === level).length;
    right.push(
      [count('fatal') > 0 ? 'bad' : 'muted', `${count('fatal')} fatal  `],
      [count('warning') > 0 ? 'warn' : 'muted', `${plural(count('warning'), 'warning')}  `],
      ['muted', `${longDuration(since(report.at, fleet.now))} ago, ${keyFor('refresh')} checks again `],
    );
  } else if (tab === 'daemon-log') {
    right.push(['muted', `newest first  ${indexIn(view) + 1}/${linesOf(view).length} `]);
  }
  return paintSplit(theme, tabSpans(stripOf(tab)), right, size.columns);
}

const FINDING_LOOKS: Readonly<Record<DoctorFinding['level'], readonly [string, Token]>> = {
  ok: ['● ok', 'good'],
  warning: ['▲ warning', 'warn'],
  fatal: ['✗ fatal', 'bad'],
};

function findingsTable(view: View): string[] {
  const { ui, theme, size } = view;
  const columns: Column<DoctorFinding>[] = [
    {
      title: 'LEVEL',
      width: 9,
      text: ({ level }) => FINDING_LOOKS[level][0],
      tone: ({ level }) => FINDING_LOOKS[level][1],
    },
    { title: 'FINDING', width: 0, text: ({ summary }) => summary },
    { title: 'KIND', width: 18, text: ({ id }) => id, tone: () => 'muted' },
  ];
  return drawTable(
    theme,
    {
      columns,
      rows: findingsOf(view),
      keyOf: findingKey,
      cursor: cursorOf(ui, listId('doctor')),
      empty: NO_MATCH,
    },
    size.columns,
    listRows(size),
  );
}

function findingDetail(finding: DoctorFinding | undefined): Span[] {
  if (finding === undefined) return [];
  const token = FINDING_LOOKS[finding.level][1];
  if (finding.remedy === null) return [['muted', ` ${finding.summary}`]];
  return [
    [token, ` ${finding.summary}`],
    ['plain', ` → ${finding.remedy}`],
  ];
}

function levelTone(line: DaemonLogLine | undefined): Token {
  if (line?.level === 'error' || line?.level === 'fatal') return 'bad';
  return line?.level === 'warn' ? 'warn' : 'plain';
}

function logTable(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const lines = linesOf(view);
  const keys = lineKeys(lines);
  const oldest = lines.at(-1);
  const rows = lines.map((line, index) => ({ ...line, key: keys[index] ?? '' }));
  const columns: Column<(typeof rows)[number]>[] = [
    {
      title: 'TIME',
      width: oldest === undefined ? 8 : stamp(oldest.at, fleet.now).length,
      text: ({ at }) => (at === '' ? '' : stamp(at, fleet.now)),
    },
    { title: 'LEVEL', width: 5, text: ({ level }) => level, tone: levelTone },
    { title: 'LINE', width: 0, text: ({ text }) => text, tone: levelTone },
  ];
  const empty = filterOf(ui, listId('daemon-log')) === '' ? 'The log is empty.' : NO_MATCH;
  return drawTable(
    theme,
    { columns, rows, keyOf: ({ key }) => key, cursor: cursorOf(ui, listId('daemon-log')), empty },
    size.columns,
    listRows(size),
  );
}
