import type { LogLine } from '../../../shared/events.ts';

export const MAX_LOG_LINES = 5_000;

export const LEVELS = ['all', 'warn', 'error'] as const;
/** What a log shows: everything, or what is at least so bad. */
export type LevelFilter = (typeof LEVELS)[number];

/** A line of one instance, or (`run`) the beginning of one of its runs. */
export interface LogEntry extends Omit<LogLine, 'run'> {
  name: string;
  level: 'info' | 'warn' | 'error';
  run?: true;
}

/** The end of the logs that are read. Line numbers count on while old lines leave, so that a view can stay where it is. */
export interface LogBuffer {
  /** Number of the first line that is still here. */
  first: number;
  lines: readonly LogEntry[];
}

export const EMPTY_LOG: LogBuffer = { first: 0, lines: [] };

/** Instances print words, not levels: what looks like trouble is taken for it. */
export function levelOf(text: string): LogEntry['level'] {
  if (/\b(?:error|err|fatal|panic|failed|failure)\b/i.test(text)) return 'error';
  return /\bwarn(?:ing)?\b/i.test(text) ? 'warn' : 'info';
}

/** By time, as lines of several instances come in whatever order; those of one keep theirs. */
export function mergeLines(buffer: LogBuffer, added: readonly LogEntry[]): LogBuffer {
  if (added.length === 0) return buffer;
  const earliest = Math.min(...added.map(timeOf));
  const from = buffer.lines.findLastIndex((line) => timeOf(line) <= earliest) + 1;
  const late = [...buffer.lines.slice(from), ...added].toSorted((a, b) => timeOf(a) - timeOf(b));
  const lines = [...buffer.lines.slice(0, from), ...late];
  const surplus = Math.max(0, lines.length - MAX_LOG_LINES);
  return { first: buffer.first + surplus, lines: surplus === 0 ? lines : lines.slice(surplus) };
}

function timeOf({ at }: LogEntry): number {
  return Date.parse(at);
}

/** One past the number of the last line. */
export function endOf(buffer: LogBuffer): number {
  return buffer.first + buffer.lines.length;
}

/** Numbers of the lines that are shown; where a run begins is always told. */
export function shownLines({ first, lines }: LogBuffer, level: LevelFilter): number[] {
  return lines.flatMap((line, index) =>
    level === 'all' || line.run === true || line.level === 'error' || line.level === level
      ? [first + index]
      : [],
  );
}

/** The shown lines as text, each with its time, and with the instance where there are several. */
export function logText(buffer: LogBuffer, level: LevelFilter, several: boolean): string {
  return shownLines(buffer, level)
    .map((number) => buffer.lines[number - buffer.first])
    .filter((line) => line !== undefined)
    .map(({ at, name, text }) => `${at} ${several ? `${name} ` : ''}${text}\n`)
    .join('');
}

/** Numbers of the shown lines that contain `text`, whatever its case; none for an empty text. */
export function findLines(buffer: LogBuffer, text: string, level: LevelFilter): number[] {
  if (text === '') return [];
  const wanted = text.toLowerCase();
  return shownLines(buffer, level).filter((number) =>
    buffer.lines[number - buffer.first]?.text.toLowerCase().includes(wanted),
  );
}
