export interface LogLine {
  level: number;
  msg: string;
  [field: string]: unknown;
}

/** The levels of pino that tests ask for. */
export const WARN = 40;
export const ERROR = 50;

/** The lines that a daemon logged, out of all that it printed. */
export function logLines(output: string): LogLine[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}
