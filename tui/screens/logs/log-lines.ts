import { keyFor } from '../../keys/places.ts';
import {
  endOf,
  findLines,
  type LevelFilter,
  type LogBuffer,
  type LogEntry,
  shownLines,
} from '../../store/logs/log-buffer.ts';
import type { OpenLog } from '../../store/logs/open-log.ts';
import { clockTime, plural } from '../../store/text/format.ts';
import type { LogView } from '../../store/view/ui-state.ts';
import type { Theme, Token } from '../../theme.ts';
import { paintLine, paintSplit, type Span } from '../../widgets/line.ts';
import { cut, fit, widthOf, wrap } from '../../widgets/text.ts';
import type { Size, View } from '../console.ts';

/** Width of the time before each line. */
const GUTTER = 10;

/** Rows without the tabs and the state line. */
export function logRows({ rows }: Size): number {
  return Math.max(1, rows - 2);
}

/** The number after the last visible line: the end of the log while following; never before the first full page. */
export function visibleEnd(buffer: LogBuffer, view: LogView, rows: number): number {
  const end = endOf(buffer);
  const wanted = view.end ?? (view.moment === null ? end : lineAt(buffer, view.moment) + Math.ceil(rows / 2));
  const shown = shownLines(buffer, view.level);
  const least = (shown[Math.min(shown.length, rows) - 1] ?? end - 1) + 1;
  return Math.min(end, Math.max(wanted, least));
}

/** Number of the last line that is not newer than `moment`; the first line if all are newer. */
function lineAt({ first, lines }: LogBuffer, moment: string): number {
  const then = Date.parse(moment);
  return (
    first +
    Math.max(
      0,
      lines.findLastIndex(({ at }) => Date.parse(at) <= then),
    )
  );
}

/** The line that the view shows on purpose: a match of the search, or the line at a moment. */
function currentLine(buffer: LogBuffer, { match, moment, end }: LogView): number | null {
  return match ?? (moment === null || end !== null ? null : lineAt(buffer, moment));
}

export function logLines(view: View, log: OpenLog | null): string[] {
  const { theme, size, ui } = view;
  const rows = logRows(size);
  const several = log !== null && log.names.length > 1;
  if (log === null || log.waiting.size === log.names.length) {
    return [stateLine(view, [['busy', several ? ' ◌ loading the logs' : ' ◌ loading the log']], [])];
  }
  const [refusal, ...others] = Object.entries(log.refusals);
  if (refusal !== undefined && !several) {
    return [stateLine(view, [['bad', ` ✗ cannot read the log: ${refusal[1]}`]], [])];
  }
  const { buffer } = log;
  const names = several ? nameColumn(log.names, size.columns) : null;
  const end = visibleEnd(buffer, ui.log, rows);
  const body: string[] = [];
  const current = currentLine(buffer, ui.log);
  const shown = shownLines(buffer, ui.log.level).filter((number) => number < end);
  for (let index = shown.length - 1; index >= 0 && body.length < rows; index -= 1) {
    const number = shown[index] ?? 0;
    const line = buffer.lines[number - buffer.first];
    if (line === undefined) break;
    // Lines that were read together have the same time. It is shown once per page: it is not the time of each line.
    const before = buffer.lines[(shown[index - 1] ?? -1) - buffer.first];
    const dated = before?.at !== line.at || body.length === rows - 1;
    const drawn = drawLine(theme, line, ui.log, size.columns, { current: current === number, dated, names });
    body.unshift(...drawn.slice(-(rows - body.length)));
  }
  if (body.length === 0) body.push(theme.paint('muted', ` ${nothingText(buffer, several)}`));
  const state = stateSpans(buffer, ui.log, end);
  if (refusal !== undefined) state.push(['bad', `  ✗ ${refusalText(refusal, others.length)}`]);
  return [stateLine(view, state, searchSpans(buffer, ui.log)), ...body];
}

function refusalText([name, why]: readonly [string, string], others: number): string {
  const rest = others === 0 ? '' : ` and ${others} more`;
  return `cannot read ${name}${rest}: ${why}`;
}

const TONES: Readonly<Record<LogEntry['level'], Token>> = { info: 'plain', warn: 'warn', error: 'bad' };
const LEVEL_TEXTS: Readonly<Record<LevelFilter, string>> = {
  all: '',
  warn: ', only warnings and errors',
  error: ', only errors',
};

function nothingText({ lines }: LogBuffer, several: boolean): string {
  if (lines.length > 0) return `No lines of this level. ${keyFor('log.level')} changes the level.`;
  return several
    ? 'These instances have not printed anything yet.'
    : 'This instance has not printed anything yet.';
}

interface NameColumn {
  width: number;
  short(name: string): string;
}

/** Names without the day in a narrow terminal: it is the longest part and the same for most names. */
function nameColumn(names: readonly string[], columns: number): NameColumn {
  const short = (name: string) => (columns < 120 ? name.replace(/^\d{4}-\d{2}-\d{2}-/, '') : name);
  const most = columns < 120 ? 18 : 34;
  return { short, width: Math.min(most, Math.max(...names.map((name) => widthOf(short(name))))) };
}

function stateLine({ theme, size }: View, left: readonly Span[], right: readonly Span[]): string {
  return paintSplit(theme, left, right, size.columns);
}

function stateSpans(buffer: LogBuffer, view: LogView, end: number): Span[] {
  const count: Span = [
    'muted',
    `  ${plural(buffer.lines.length, 'line')}${buffer.first > 0 ? ', older lines dropped' : ''}${LEVEL_TEXTS[view.level]}`,
  ];
  if (view.end === null && view.moment !== null) {
    return [
      ['warn', ` ‖ log at ${clockTime(view.moment)}`],
      count,
      ['muted', ` · ${keyFor('last')} follows the end`],
    ];
  }
  if (view.end === null) return [['good', ' ▾ following'], count];
  const newer = endOf(buffer) - end;
  return [['warn', ' ‖ paused'], ['plain', newer === 0 ? '' : `, ${plural(newer, 'newer line')}`], count];
}

function searchSpans(buffer: LogBuffer, view: LogView): Span[] {
  if (view.search === '') return [];
  const found = findLines(buffer, view.search, view.level);
  const at = view.match === null ? -1 : found.indexOf(view.match);
  const place = at === -1 ? plural(found.length, 'match', 'matches') : `${at + 1}/${found.length}`;
  return [[found.length === 0 ? 'bad' : 'accent', `/${view.search}  ${place} `]];
}

function drawLine(
  theme: Theme,
  line: LogEntry,
  view: LogView,
  columns: number,
  { current, dated, names }: { current: boolean; dated: boolean; names: NameColumn | null },
): string[] {
  const owner = names === null ? '' : `${fit(names.short(line.name), names.width)} `;
  if (line.run === true) {
    const rule = ` ${owner}── ${clockTime(line.at)} ${line.text} `;
    return [
      paintLine(theme, [['title', `${rule}${'─'.repeat(Math.max(0, columns - widthOf(rule)))}`]], columns),
    ];
  }
  const room = Math.max(10, columns - GUTTER - widthOf(owner));
  const parts = view.wrap ? wrap(line.text, room) : [cut(line.text, room)];
  return parts.map((part, index) => {
    const gutter =
      index === 0
        ? `${current ? '▸' : ' '}${dated ? clockTime(line.at) : ' '.repeat(8)} `
        : ' '.repeat(GUTTER + widthOf(owner));
    return paintLine(
      theme,
      [
        [current ? 'accent' : 'muted', gutter],
        ['accent', index === 0 ? owner : ''],
        ...highlight(part, view.search, TONES[line.level]),
      ],
      columns,
    );
  });
}

/** Highlights each match. Like the search, it ignores case. */
function highlight(text: string, search: string, tone: Token): Span[] {
  if (search === '') return [[tone, text]];
  const pattern = new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi');
  const spans: Span[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    spans.push([tone, text.slice(from, match.index)], ['chosen', match[0]]);
    from = match.index + match[0].length;
  }
  return [...spans, [tone, text.slice(from)]];
}
