import type { LogLine } from '../../../shared/events.ts';

export const MAX_LOG_LINES = 5_000;

export const LEVELS = ['all', 'warn', 'error'] as const;
/** The minimum level of the lines that a log shows. */
export type LevelFilter = (typeof LEVELS)[number];

/** A line of one instance, or the start of one of its runs (`run`). */
export interface LogEntry extends Omit<LogLine, 'run'> {
  name: string;
  level: 'info' | 'warn' | 'error';
  run?: true;
}

/** The last lines of the open logs. Numbers of lines never change, also when older lines are dropped. */
export interface LogBuffer {
  /** Number of the first line in the buffer. */
  first: number;
  lines: readonly LogEntry[];
}

export const EMPTY_LOG: LogBuffer = { first: 0, lines: [] };

/** Guesses the level from words in the text, because instances print no levels. */
export function levelOf(text: string): LogEntry['level'] {
  if (/\b(?:error|err|fatal|panic|failed|failure)\b/i.test(text)) return 'error';
  return /\bwarn(?:ing)?\b/i.test(text) ? 'warn' : 'info';
}

/** Merges lines by time. Lines of several instances may arrive in any order; lines of one instance keep their order. */
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

/** The number after the last line. */
export function endOf(buffer: LogBuffer): number {
  return buffer.first + buffer.lines.length;
}

/** Numbers of the visible lines. The start of a run is always visible. */
export function shownLines({ first, lines }: LogBuffer, level: LevelFilter): number[] {
  return lines.flatMap((line, index) =>
    level === 'all' || line.run === true || line.level === 'error' || line.level === level
      ? [first + index]
      : [],
  );
}

/** The visible lines as text, each with its time, and with the name of the instance if there are several. */
export function logText(buffer: LogBuffer, level: LevelFilter, several: boolean): string {
  return shownLines(buffer, level)
    .map((number) => buffer.lines[number - buffer.first])
    .filter((line) => line !== undefined)
    .map(({ at, name, text }) => `${at} ${several ? `${name} ` : ''}${text}\n`)
    .join('');
}

/** Numbers of the visible lines that contain `text`, ignoring case; none for an empty text. */
export function findLines(buffer: LogBuffer, text: string, level: LevelFilter): number[] {
  if (text === '') return [];
  const wanted = text.toLowerCase();
  return shownLines(buffer, level).filter((number) =>
    buffer.lines[number - buffer.first]?.text.toLowerCase().includes(wanted),
  );
}
