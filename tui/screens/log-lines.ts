import type { LogLine } from '../../shared/events.ts';
import type { OpenLog } from '../store/fleet-state.ts';
import { clockTime, plural } from '../store/format.ts';
import { endOf, findLines, type LogBuffer } from '../store/log-buffer.ts';
import type { LogView } from '../store/ui-state.ts';
import type { Theme } from '../theme.ts';
import { paintLine, paintSplit, type Span } from '../widgets/line.ts';
import { cut, wrap } from '../widgets/text.ts';
import type { Size, View } from './screen.ts';

/** Time and a gap, before each line. */
const GUTTER = 10;

/** Rows of log: what the tabs and the state line leave. */
export function logRows({ rows }: Size): number {
  return Math.max(1, rows - 2);
}

/** One past the last line in view: the end of the log while following, never before the first full page. */
export function visibleEnd(buffer: LogBuffer, view: LogView, rows: number): number {
  const end = endOf(buffer);
  const wanted = view.end ?? (view.moment === null ? end : lineAt(buffer, view.moment) + Math.ceil(rows / 2));
  return Math.min(end, Math.max(wanted, Math.min(end, buffer.first + rows)));
}

/** Number of the last line that had been printed by then; the first one where all are newer. */
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

/** The line that the view is about: a match that was jumped to, or that of a moment. */
function currentLine(buffer: LogBuffer, { match, moment, end }: LogView): number | null {
  return match ?? (moment === null || end !== null ? null : lineAt(buffer, moment));
}

export function logLines(view: View, log: OpenLog | null): string[] {
  const { theme, size, ui } = view;
  const rows = logRows(size);
  if (log === null || log.state === 'loading') return [stateLine(view, [['busy', ' ◌ reading its log']], [])];
  if (log.state === 'refused') {
    return [
      stateLine(view, [['bad', ` ✗ its log cannot be read: ${log.message ?? 'no reason was given'}`]], []),
    ];
  }
  const { buffer } = log;
  const end = visibleEnd(buffer, ui.log, rows);
  const body: string[] = [];
  const current = currentLine(buffer, ui.log);
  for (let number = end - 1; number >= buffer.first && body.length < rows; number -= 1) {
    const line = buffer.lines[number - buffer.first];
    if (line === undefined) break;
    // Lines that were read together have one time; said once, it is not taken for the time of each.
    const dated = buffer.lines[number - buffer.first - 1]?.at !== line.at;
    const drawn = drawLine(theme, line, ui.log, size.columns, { current: current === number, dated });
    body.unshift(...drawn.slice(-(rows - body.length)));
  }
  if (buffer.lines.length === 0) body.push(theme.paint('muted', ' It has not printed anything yet.'));
  return [stateLine(view, stateSpans(buffer, ui.log, end), searchSpans(buffer, ui.log)), ...body];
}

function stateLine({ theme, size }: View, left: readonly Span[], right: readonly Span[]): string {
  return paintSplit(theme, left, right, size.columns);
}

function stateSpans(buffer: LogBuffer, view: LogView, end: number): Span[] {
  const count: Span = [
    'muted',
    `  ${plural(buffer.lines.length, 'line')}${buffer.first > 0 ? ', older ones are gone' : ''}`,
  ];
  if (view.end === null && view.moment !== null) {
    return [['warn', ` ‖ as it was at ${clockTime(view.moment)}`], count, ['muted', ' · G follows the end']];
  }
  if (view.end === null) return [['good', ' ▾ following'], count];
  const newer = endOf(buffer) - end;
  return [['warn', ' ‖ paused'], ['plain', newer === 0 ? '' : `, ${plural(newer, 'newer line')}`], count];
}

function searchSpans(buffer: LogBuffer, view: LogView): Span[] {
  if (view.search === '') return [];
  const found = findLines(buffer, view.search);
  const at = view.match === null ? -1 : found.indexOf(view.match);
  const place =
    at === -1 ? plural(found.length, 'match').replace('matchs', 'matches') : `${at + 1}/${found.length}`;
  return [[found.length === 0 ? 'bad' : 'accent', `/${view.search}  ${place} `]];
}

function drawLine(
  theme: Theme,
  line: LogLine,
  view: LogView,
  columns: number,
  { current, dated }: { current: boolean; dated: boolean },
): string[] {
  const room = Math.max(10, columns - GUTTER);
  const parts = view.wrap ? wrap(line.text, room) : [cut(line.text, room)];
  return parts.map((part, index) => {
    const gutter =
      index === 0
        ? `${current ? '▸' : ' '}${dated ? clockTime(line.at) : ' '.repeat(8)} `
        : ' '.repeat(GUTTER);
    return paintLine(
      theme,
      [[current ? 'accent' : 'muted', gutter], ...highlight(part, view.search)],
      columns,
    );
  });
}

/** The text with each match set apart; matching ignores case as the search does. */
function highlight(text: string, search: string): Span[] {
  if (search === '') return [['plain', text]];
  const pattern = new RegExp(search.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gi');
  const spans: Span[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    spans.push(['plain', text.slice(from, match.index)], ['chosen', match[0]]);
    from = match.index + match[0].length;
  }
  return [...spans, ['plain', text.slice(from)]];
}
