import { fstatSync } from 'node:fs';
import { type Logger, pino } from 'pino';

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

/** JSON lines on standard output, and in `file` as well when there is one. */
export function createLog(options: { level: string; file?: string | null }): Logger {
  const stdout = pino.destination({ fd: 1, sync: true });
  // What is logged is decided by the logger's level alone, which a reload may change.
  const streams = [
    {
      level: 'trace',
      stream: goesToJournal(process.env['JOURNAL_STREAM'], fstatSync(1)) ? withPriorities(stdout) : stdout,
    },
    ...(options.file
      ? [
          {
            level: 'trace',
            stream: pino.destination({ dest: options.file, mkdir: true, sync: true, mode: 0o600 }),
          },
        ]
      : []),
  ];
  return pino(
    {
      level: options.level,
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
