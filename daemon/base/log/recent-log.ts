/** A line of the daemon's own log, as the API shows it. */
export interface RecentLine {
  at: string;
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  text: string;
}

const LEVELS: Readonly<Record<number, RecentLine['level']>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
const MAX_LINES = 2_000;
/** Characters; longer lines, such as those with a stack, are cut. */
const MAX_LINE_LENGTH = 4_000;

/** The last lines of the log, in memory: available without a log file and when the disk fails. */
export class RecentLog {
  #lines: string[] = [];

  /** Takes a JSON line from pino. It is parsed only when it is read. */
  write(line: string): void {
    this.#lines.push(line.slice(0, MAX_LINE_LENGTH));
    // Not at every line: copying would cost more than the memory.
    if (this.#lines.length >= 2 * MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
  }

  /** The last `tail` lines, oldest first. */
  lines(tail: number): RecentLine[] {
    return this.#lines.slice(-Math.min(tail, MAX_LINES)).map(readLine);
  }
}

function readLine(line: string): RecentLine {
  const fields = parse(line);
  // A line that was cut is not valid JSON.
  if (fields === null)
    return { at: /"time":"([^"]+)"/.exec(line)?.[1] ?? '', level: levelIn(line), text: line };
  const { level, time, msg, ...others } = fields;
  const rest = Object.entries(others)
    .map(([name, value]) => [name, valueText(value)] as const)
    // Leave out an error with the same text as the line.
    .filter(([, value]) => value !== JSON.stringify(msg))
    .map(([name, value]) => `${name}=${value}`);
  return {
    at: String(time),
    level: LEVELS[Number(level)] ?? 'info',
    text: [msg, ...rest].filter((part) => part !== undefined && part !== '').join(' '),
  };
}

function levelIn(line: string): RecentLine['level'] {
  return LEVELS[Number(/"level":(\d+)/.exec(line)?.[1])] ?? 'info';
}

/** An error is shown by its message; its stack is only in the log file. */
function valueText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) return JSON.stringify(value.message);
  return typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value);
}

function parse(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
