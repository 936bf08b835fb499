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
  const streams = [
    { level: options.level, stream: pino.destination({ fd: 1, sync: true }) },
    ...(options.file
      ? [
          {
            level: options.level,
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
