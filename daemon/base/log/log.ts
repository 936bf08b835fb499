import { fstatSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import {
  type LineSink,
  type Losses,
  lineSink,
  logFile,
  type SinkTarget,
  standardStream,
} from './log-sink.ts';

export type { Logger };

/** Fields that are never logged, down to the third level of an object. */
const SECRET_FIELDS = [
  'password',
  'token',
  'secret',
  'authorization',
  'cookie',
  'superuser_secret',
  'password_hash',
];
const WARNING = 40;

/** The destinations of log lines: standard output, and a file if there is one. */
export interface LogOutput {
  sinks: readonly { sink: LineSink; priorities: boolean }[];
  /** The losses of all sinks together; `problem` names the first sink that fails. */
  losses(): Losses;
}

export function logOutput({ file }: { file: string | null }): LogOutput {
  const priorities = goesToJournal(process.env['JOURNAL_STREAM'], fstatSync(1));
  const targets = [
    { target: standardStream(1), priorities },
    ...(file === null ? [] : [{ target: logFile(file), priorities: false }]),
  ];
  const sinks = targets.map(({ target, priorities: prefixed }) => ({
    sink: lineSink(target, (dropped, problem) => lossLine(target, dropped, problem, prefixed)),
    priorities: prefixed,
  }));
  return {
    sinks,
    losses: () => ({
      dropped: sinks.reduce((sum, { sink }) => sum + sink.losses.dropped, 0),
      problem:
        targets.flatMap(({ target }, index) => {
          const problem = sinks[index]?.sink.losses.problem ?? null;
          return problem === null ? [] : [`${target.name}: ${problem}`];
        })[0] ?? null,
    }),
  };
}

/** Built without the logger: its level could suppress the line. */
function lossLine(target: SinkTarget, dropped: number, problem: string, priorities: boolean): string {
  const msg = `cannot write to ${target.name}: ${dropped} log lines are lost: ${problem}`;
  const line = JSON.stringify({ level: WARNING, time: new Date().toISOString(), dropped, msg });
  return `${priorities ? journalPrefix(WARNING) : ''}${line}\n`;
}

/** A logger of JSON lines; standard output is the default. */
export function createLog({
  level,
  output = logOutput({ file: null }),
  recent,
}: {
  level: string;
  output?: LogOutput;
  /** Receives every line too. */
  recent?: { write(line: string): void };
}): Logger {
  // Streams take every level: only the logger's own level decides, because a reload may change it.
  const streams = [
    ...output.sinks.map(({ sink, priorities }) => ({
      level: 'trace',
      stream: priorities ? withPriorities(sink) : sink,
    })),
    ...(recent ? [{ level: 'trace', stream: recent }] : []),
  ];
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
    },
    pino.multistream(streams as Parameters<typeof pino.multistream>[0]),
  );
}

/**
 * Whether standard output goes to the journal. The variable alone is not enough: child processes with another output
 * inherit it. Source: systemd.exec(5).
 *
 * @param variable `JOURNAL_STREAM`
 */
export function goesToJournal(
  variable: string | undefined,
  { dev, ino }: { dev: number; ino: number },
): boolean {
  return variable === `${dev}:${ino}`;
}

/** The priority of a pino level as the journal reads it: a prefix of each line. Source: sd-daemon(3). */
export function journalPrefix(level: number): string {
  if (level >= 60) return '<2>';
  if (level >= 50) return '<3>';
  if (level >= 40) return '<4>';
  return level >= 30 ? '<6>' : '<7>';
}

function withPriorities(destination: { write(line: string): unknown }) {
  return {
    // Makes pino set `lastLevel` before each write.
    [Symbol.for('pino.metadata')]: true as const,
    lastLevel: 30,
    write(line: string) {
      destination.write(`${journalPrefix(this.lastLevel)}${line}`);
    },
  };
}
