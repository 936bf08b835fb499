import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { keyFor } from '../../keys/places.ts';
import { copyChoices } from '../../store/copy/copy-choice.ts';
import { fleetUsage } from '../../store/fleet/fleet-reducer.ts';
import { type History, notReadyYet } from '../../store/fleet/fleet-state.ts';
import { type ProblemRow, problemRows } from '../../store/fleet/problem-rows.ts';
import { countPhases, type Problem, problemsOf, spotOfProblem } from '../../store/fleet/problems.ts';
import { byteSize, latency, longDuration, percent, plural, since } from '../../store/text/format.ts';
import { reasonLine } from '../../store/text/reason.ts';
import { cursorIndex, visibleTop } from '../../store/view/cursor.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import { phaseLook, type Token } from '../../theme.ts';
import { paintLine, type Span, widthOfSpans } from '../../widgets/line.ts';
import { phaseCounts, phaseSpan } from '../../widgets/phase-counts.ts';
import { sparkline } from '../../widgets/sparkline.ts';
import { fit, joinFacts, widthOf } from '../../widgets/text.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { detailRows, withDetail, withInstanceDetail } from '../frame/list-detail.ts';
import { openSpot } from '../input/navigate.ts';
import { instanceCopies } from '../instance/instance-copies.ts';
import type { Screen } from '../screen.ts';

const LABEL = 10;
const MIB = 1024 ** 2;

const LIST = 'problems';

export const overviewScreen: Screen = {
  place: () => 'overview',
  lines: overviewLines,
  list: (state) => ({
    id: LIST,
    keys: rowsOf(state).map(({ key }) => key),
    from: problemsFrom,
    room: problemRoom,
  }),
  targets: (state) => groupNames(chosenRow(state)),
  instance: (state) => chosenProblem(state)?.name ?? null,
  describe(state) {
    const name = chosenProblem(state)?.name ?? null;
    return name === null ? null : { kind: 'instance', name };
  },
  command: () => 'status',
  copies(state) {
    const row = chosenRow(state);
    if (row?.group) {
      const names = groupNames(row);
      return copyChoices(
        [COPY_KEYS.reason, 'the cause', row.group.cause],
        [COPY_KEYS.name, 'the names', names.join('\n')],
      );
    }
    const problem = chosenProblem(state);
    const instance = state.fleet.instances.get(problem?.name ?? '');
    if (instance !== undefined) return instanceCopies(instance, state.fleet.now);
    return copyChoices([COPY_KEYS.reason, 'the problem', problem && `${problem.title} ${problem.why}`]);
  },
  run(console, command) {
    const row = chosenRow(stateOf(console));
    if (command === 'open' && row?.group) return toggleGroup(console, row.group.cause);
    const problem = chosenProblem(stateOf(console));
    if (command !== 'open' || problem === undefined || problem.name !== null) return false;
    const spot = spotOfProblem(problem);
    if (spot.screen === 'overview') showNotice(console, `The ${problem.title} ${problem.why}.`);
    else openSpot(console, spot);
    return true;
  },
};

function rowsOf({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>): ProblemRow[] {
  return problemRows(problemsOf(fleet), ui.expanded);
}

function chosenRow(state: ConsoleState): ProblemRow | undefined {
  const rows = rowsOf(state);
  return rows[chosenIndex(rows, state.ui)];
}

/** The selected problem; undefined for a group. */
function chosenProblem(state: ConsoleState): Problem | undefined {
  const row = chosenRow(state);
  return row === undefined || row.group !== null ? undefined : row.problems[0];
}

function chosenIndex(rows: readonly ProblemRow[], ui: ConsoleState['ui']): number {
  return cursorIndex(
    rows.map(({ key }) => key),
    cursorOf(ui, LIST),
  );
}

/** The names of the instances of a group; empty for a single problem. */
function groupNames(row: ProblemRow | undefined): string[] {
  return row?.group ? row.problems.flatMap(({ name }) => (name === null ? [] : [name])) : [];
}

function toggleGroup({ ui }: Console, cause: string): true {
  ui.update((state) => {
    const expanded = new Set(state.expanded);
    if (!expanded.delete(cause)) expanded.add(cause);
    return { ...state, expanded };
  });
  return true;
}

function overviewLines(view: View): string[] {
  const head = [
    daemonLine(view),
    globalLine(view),
    fleetLine(view),
    queueLine(view),
    ...(showsUsage(view.size) ? ['', ...usageLines(view)] : []),
    '',
  ];
  return [...head, ...problemLines(view, problemRoom(view.size))];
}

/** Row of the first problem, below the facts and the heading. */
function problemsFrom(size: Size): number {
  return (showsUsage(size) ? 11 : 5) + 1;
}

function problemRoom(size: Size): number {
  return Math.max(1, size.rows - problemsFrom(size) - detailRows(size));
}

/** In a small terminal, the problems need the space. */
function showsUsage({ rows }: Size): boolean {
  return rows >= 17;
}

function labelled(view: View, label: string, spans: readonly Span[]): string {
  return paintLine(view.theme, [['title', ` ${fit(label, LABEL)}`], ...spans], view.size.columns);
}

/** Facts of a line after some spans. In a narrow terminal, those that do not fit are left out. */
function facts({ size }: View, before: readonly Span[], parts: readonly (string | null)[]): Span[] {
  const known = parts.flatMap((part) => part || []);
  return [...before, ['plain', joinFacts(known, size.columns - LABEL - 1 - widthOfSpans(before))]];
}

function daemonLine(view: View): string {
  const { status, status_problem: problem, now } = view.fleet;
  if (problem !== null) return labelled(view, 'Daemon', [['bad', `▲ cannot load the status: ${problem}`]]);
  if (status === null) return labelled(view, 'Daemon', [['muted', 'loading the status']]);
  const state: Span = status.ready
    ? ['good', '● ready  ']
    : ['warn', `◐ not ready, waiting for ${status.waiting_for ?? 'its start'}  `];
  const up = longDuration(since(status.started_at, now));
  const parts = [
    `up ${up}`,
    status.api_url,
    `fathomd ${status.version}`,
    `pid ${status.pid}`,
    status.data_dir,
  ];
  return labelled(view, 'Daemon', facts(view, [state], parts));
}

function globalLine(view: View): string {
  const global = [...view.fleet.instances.values()].find(({ kind }) => kind === 'global');
  if (global === undefined) return labelled(view, 'Global', [['muted', 'unknown']]);
  const why = reasonLine(global, view.fleet.now);
  const phase: Span[] = [phaseSpan(global.phase), ['plain', '  ']];
  return labelled(
    view,
    'Global',
    why === null
      ? facts(view, phase, globalFacts(global, view.fleet.now))
      : [...phase, [phaseLook(global.phase).token, why]],
  );
}

function globalFacts(global: Instance, now: number): (string | null)[] {
  const pss = global.usage?.pss_bytes ?? null;
  return [
    global.started_at === null ? null : `up ${longDuration(since(global.started_at, now))}`,
    global.url,
    global.probe === null ? null : `probe ${latency(global.probe.latency_ms)}`,
    pss === null ? null : byteSize(pss),
    `PocketBase ${global.pocketbase_version}`,
  ];
}

function fleetLine(view: View): string {
  const users = [...view.fleet.instances.values()].filter(({ kind }) => kind === 'user');
  const counts = countPhases(users);
  const spans: Span[] = [['strong', plural(users.length, 'database')], ...phaseCounts(counts)];
  if (users.length === 0) {
    const incomplete = notReadyYet(view.fleet);
    spans.push(
      incomplete === null ? ['muted', ' yet: each user gets one at sign-up'] : ['warn', `  ${incomplete}`],
    );
  }
  spans.push(...rolloutSpans(view));
  return labelled(view, 'Fleet', [...spans, ...wakeSpans(view, widthOfSpans(spans))]);
}

/** The rollout in progress; nothing when it has ended. */
function rolloutSpans({ fleet: { rollout } }: View): Span[] {
  if (rollout === null || rollout.status === 'done' || rollout.status === 'aborted') return [];
  const { kind, target, total, changed, failed, skipped, status } = rollout;
  const what = kind === 'pocketbase' ? `PocketBase ${target}` : 'migrations';
  const text = `  ${what}: ${changed + failed + skipped} of ${total}`;
  if (status === 'running' && failed === 0) return [['muted', text]];
  return [['warn', `${text}, ${status === 'running' ? `${failed} failed` : status}`]];
}

/** Wakes of the last hour; nothing without wakes, and for a daemon of an earlier release. */
function wakeSpans({ fleet: { status }, size }: View, used: number): Span[] {
  const { wakes }: Partial<DaemonStatus> = status ?? {};
  if (wakes === undefined || wakes.last_hour === 0) return [];
  const [slowest] = wakes.slowest;
  const count = `  ${wakes.last_hour} wakes/h`;
  const longest = slowest === undefined ? '' : `, slowest ${latency(slowest.duration_ms)}`;
  const room = size.columns - LABEL - 1 - used;
  return [['muted', [count + longest, count].find((text) => widthOf(text) <= room) ?? '']];
}

function queueLine(view: View): string {
  const queue = view.fleet.status?.queue ?? null;
  if (queue === null) return labelled(view, 'Queue', [['muted', 'unknown']]);
  const paused: Span[] = view.fleet.status?.queue_paused === true ? [['warn', '‖ paused  ']] : [];
  return labelled(view, 'Queue', [
    ...paused,
    ['plain', `${queue.pending} pending  ${queue.processing} processing  `],
    ['muted', `${queue.done} done  `],
    [countToken(queue.failed), `${queue.failed} failed  `],
    [countToken(queue.dead), `${queue.dead} dead  `],
    ['accent', depthBars(view)],
  ]);
}

/** The number of pending and processing tasks over time, if there is room beside the counts. */
function depthBars({ fleet, size }: View): string {
  const width = Math.min(40, size.columns - 80);
  return width < 8 ? '' : sparkline(fleet.history.queue_depth, width, 5);
}

function countToken(count: number): Token {
  return count > 0 ? 'bad' : 'muted';
}

function usageLines(view: View): string[] {
  const { fleet } = view;
  const { history, usage } = fleet;
  const used = fleetUsage(fleet.instances);
  const daemonCpu = usage?.cpu_percent ?? null;
  return [
    usageLine(view, 'Fleet', 'CPU', `${percent(used.cpu_percent)} %`, history.fleet_cpu, 5),
    usageLine(view, '', 'memory', byteSize(used.pss_bytes), history.fleet_memory, 64 * MIB),
    usageLine(
      view,
      'fathomd',
      'CPU',
      daemonCpu === null ? '–' : `${percent(daemonCpu)} %`,
      history.daemon_cpu,
      5,
    ),
    usageLine(
      view,
      '',
      'memory',
      usage === null ? '–' : byteSize(usage.rss_bytes),
      history.daemon_memory,
      64 * MIB,
    ),
    labelled(view, 'Host', usage === null ? [['muted', 'not measured yet']] : hostFacts(view, usage)),
  ];
}

function usageLine(
  view: View,
  label: string,
  what: string,
  value: string,
  history: History,
  floor: number,
): string {
  const width = Math.min(60, view.size.columns - LABEL - 24);
  return labelled(view, label, [
    ['muted', fit(what, 7)],
    ['plain', fit(value, 9, 'right')],
    ['accent', `  ${sparkline(history, width, floor)}`],
  ]);
}

function hostFacts(view: View, usage: NonNullable<View['fleet']['usage']>): Span[] {
  const disk = usage.disk_free_bytes;
  return facts(
    view,
    [],
    [
      `load ${usage.load_1m.toFixed(2)}`,
      `${byteSize(usage.memory_free_bytes)} of memory free`,
      disk === null ? null : `${byteSize(disk)} of disk free`,
      `event loop ${latency(usage.event_loop_delay_ms)} late`,
    ],
  );
}

function problemLines(view: View, room: number): string[] {
  const { fleet, theme, size, ui } = view;
  const all = rowsOf(view);
  if (all.length === 0) {
    return [paintLine(theme, [['good', ' ✓ No problems.']], size.columns)];
  }
  const index = chosenIndex(all, ui);
  const top = visibleTop(cursorOf(ui, LIST).top, index, room, all.length);
  const shown = all.slice(top, top + room);
  const longest = Math.max(...all.map((row) => widthOf(titleOf(row))));
  const nameWidth = Math.min(longest, size.columns < 90 ? 26 : 40);
  const range = shown.length < all.length ? `, rows ${top + 1}–${top + shown.length} of ${all.length}` : '';
  const count = all.reduce((sum, { member, problems }) => sum + (member ? 0 : problems.length), 0);
  const head = paintLine(
    theme,
    [
      ['title', ' Problems'],
      ['bad', `  ${count}`],
      ['muted', `  worst first${range}`],
    ],
    size.columns,
  );
  const rows = shown.map((row, offset) => problemLine(view, row, nameWidth, top + offset === index));
  while (rows.length < room) rows.push('');
  const chosen = all[index];
  if (chosen?.group) return [head, ...withDetail(view, rows, groupDetail(chosen))];
  return [head, ...withInstanceDetail(view, rows, fleet.instances.get(chosen?.problems[0].name ?? ''))];
}

function titleOf({ group, problems, member }: ProblemRow): string {
  if (group === null) return `${member ? '  ' : ''}${problems[0].title}`;
  return `${group.open ? '−' : '+'} ${plural(problems.length, 'database')}`;
}

function groupDetail({ group, problems }: ProblemRow): Span[] {
  return [
    ['bad', ` ${group?.cause ?? ''}`],
    ['muted', `  ${keyFor('open')} ${group?.open === true ? 'hides' : 'shows'} the list: `],
    ['plain', problems.map(({ title }) => title).join(', ')],
  ];
}

function problemLine({ theme, size }: View, row: ProblemRow, nameWidth: number, chosen: boolean): string {
  const [problem] = row.problems;
  const { glyph, token } = problem.phase === null ? HOST_LOOK : phaseLook(problem.phase);
  const name = fit(titleOf(row), nameWidth);
  const why = row.group?.cause ?? problem.why;
  if (chosen) return theme.paint('chosen', fit(`▸ ${glyph} ${name}  ${why}`, size.columns));
  return paintLine(
    theme,
    [
      ['plain', '  '],
      [token, `${glyph} `],
      ['plain', `${name}  `],
      [token, why],
    ],
    size.columns,
  );
}

const HOST_LOOK = { glyph: '▲', token: 'warn' } as const;
