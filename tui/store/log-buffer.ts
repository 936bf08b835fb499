import type { LogLine } from '../../shared/events.ts';

export const MAX_LOG_LINES = 5_000;

/** The end of one instance's log. Line numbers count on while old lines leave, so that a view can stay where it is. */
export interface LogBuffer {
  /** Number of the first line that is still here. */
  first: number;
  lines: readonly LogLine[];
}

export const EMPTY_LOG: LogBuffer = { first: 0, lines: [] };

export function appendLines(buffer: LogBuffer, added: readonly LogLine[]): LogBuffer {
  if (added.length === 0) return buffer;
  const lines = [...buffer.lines, ...added];
  const surplus = Math.max(0, lines.length - MAX_LOG_LINES);
  return { first: buffer.first + surplus, lines: surplus === 0 ? lines : lines.slice(surplus) };
}

/** One past the number of the last line. */
export function endOf(buffer: LogBuffer): number {
  return buffer.first + buffer.lines.length;
}

/** Numbers of the lines that contain `text`, whatever its case; none for an empty text. */
export function findLines(buffer: LogBuffer, text: string): number[] {
  if (text === '') return [];
  const wanted = text.toLowerCase();
  return buffer.lines.flatMap((line, index) =>
    line.text.toLowerCase().includes(wanted) ? [buffer.first + index] : [],
  );
}
