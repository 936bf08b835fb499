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

/** Names of fields that never reach a log, wherever they hang. */
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

/** Where log lines go: standard output, and a file. */
export interface LogOutput {
  sinks: readonly { sink: LineSink; priorities: boolean }[];
  /** Of all sinks together; `problem` names the first that does not work. */
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

/** Not through the logger, whose level may leave it out. */
function lossLine(target: SinkTarget, dropped: number, problem: string, priorities: boolean): string {
  const msg = `${dropped} log lines could not be written to ${target.name} and are lost: ${problem}`;
  const line = JSON.stringify({ level: WARNING, time: new Date().toISOString(), dropped, msg });
  return `${priorities ? journalPrefix(WARNING) : ''}${line}\n`;
}

/** JSON lines, on standard output unless told otherwise. */
export function createLog({
  level,
  output = logOutput({ file: null }),
  recent,
}: {
  level: string;
  output?: LogOutput;
  /** Is given every line as well. */
  recent?: { write(line: string): void };
}): Logger {
  // What is logged is decided by the logger's level alone, which a reload may change.
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
/** Whether standard output is the journal's; the variable is inherited by those whose output is not. Source: systemd.exec(5). */
export function goesToJournal(
  variable: string | undefined,
  { dev, ino }: { dev: number; ino: number },
): boolean {
  return variable === `${dev}:${ino}`;
}

/** The level as the journal reads it: a prefix of each line. Source: sd-daemon(3). */
export function journalPrefix(level: number): string {
  if (level >= 60) return '<2>';
  if (level >= 50) return '<3>';
  if (level >= 40) return '<4>';
  return level >= 30 ? '<6>' : '<7>';
}

function withPriorities(destination: { write(line: string): unknown }) {
  return {
    // Asks pino to say the level of what it writes.
    [Symbol.for('pino.metadata')]: true as const,
    lastLevel: 30,
    write(line: string) {
      destination.write(`${journalPrefix(this.lastLevel)}${line}`);
    },
  };
}
