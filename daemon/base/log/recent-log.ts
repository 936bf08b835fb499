/** The daemon's own log, as the API shows it. */
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
const MOST_LINES = 2_000;
/** Characters of one line; a stack is longer than what it says. */
const LONGEST_LINE = 4_000;

/** The last lines of the log, in memory: they are there whatever becomes of the disk, and where none is written to. */
export class RecentLog {
  #lines: string[] = [];

  /** A line of pino's, as JSON. It is read when somebody asks. */
  write(line: string): void {
    this.#lines.push(line.slice(0, LONGEST_LINE));
    // Now and then, so that a line costs nothing but its memory.
    if (this.#lines.length >= 2 * MOST_LINES) this.#lines = this.#lines.slice(-MOST_LINES);
  }

  /** The last ones, oldest first. */
  lines(tail: number): RecentLine[] {
    return this.#lines.slice(-Math.min(tail, MOST_LINES)).map(readLine);
  }
}

function readLine(line: string): RecentLine {
  const fields = parse(line);
  // Too long to be whole JSON.
  if (fields === null)
    return { at: /"time":"([^"]+)"/.exec(line)?.[1] ?? '', level: levelIn(line), text: line };
  const { level, time, msg, ...others } = fields;
  const rest = Object.entries(others)
    .map(([name, value]) => [name, valueText(value)] as const)
    // An error that says the same as the line.
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

/** Of an error, its message; a stack belongs into the log itself. */
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
