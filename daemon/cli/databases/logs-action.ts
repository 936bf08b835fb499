import { once } from 'node:events';
import { FathomError } from '../../../shared/errors.ts';
import type { LogLevelName, LogLine, LogSource } from '../../../shared/events.ts';
import { type ConnectArguments, connect, connectionOf } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';

/** Delay before a retry while the daemon is starting and does not know the database yet. */
const RETRY_MS = 500;

export interface LogsArguments extends ConnectArguments {
  name: string;
  tail: number;
  follow: boolean;
  source: LogSource;
  level: LogLevelName | undefined;
  json: boolean;
}

export async function showLogs(args: LogsArguments, context: CliContext): Promise<number> {
  if (!Number.isSafeInteger(args.tail) || args.tail < 0)
    throw new UsageError('--tail needs a whole number like 200');
  if (args.follow) return followLogs(args, context);
  const { tail, source, level } = args;
  const { lines } = await connect(args, context).databases.logs(args.name, { tail, source, level });
  if (args.json) printJson(context, lines);
  else for (const line of lines) printLine(context.stdout, formatLine(line));
  return 0;
}

/** Prints new lines until Ctrl-C. After a lost connection, the stream continues from the last printed line. */
async function followLogs(args: LogsArguments, context: CliContext): Promise<number> {
  const [{ FleetStream }, { openSocket }] = await Promise.all([
    import('../../../shared/client/stream.ts'),
    import('../../../shared/client/stream-socket.ts'),
  ]);
  const connection = connectionOf(args, context);
  const ended = Promise.withResolvers<void>();
  const print = (line: Pick<LogLine, 'text'>): void => {
    printLine(context.stdout, args.json ? JSON.stringify(line) : formatLine(line));
  };
  const { tail, source, level } = args;
  if (level !== undefined && source !== 'requests')
    throw new UsageError('--level is for --source requests; with --follow, that shows warnings and errors');
  const before = await connect(args, context).databases.logs(args.name, { tail, source, level });
  // An incomplete line is printed when it is complete.
  for (const line of before.partial ? before.lines.slice(0, -1) : before.lines) print(line);
  let position = before.position;
  const stream = new FleetStream({
    open: (listener) => openSocket(connection, listener),
    topics: [`logs:${args.name}`],
    from: () => position,
    onLink(state) {
      if (state.kind === 'refused') ended.reject(new FathomError('auth.forbidden', state.reason));
      if (state.kind === 'stale' && state.next_attempt_at !== null) {
        printLine(context.stderr, `fathomd: ${state.reason}; trying again`);
      }
    },
    onSnapshot: () => {},
    onEvent({ event }) {
      if (event.kind !== 'log.line') return;
      position = event.line.position ?? position;
      if (source === 'all' || source === (event.line.source ?? 'output')) print(event.line);
    },
    onTopicRefused(topic, message, code) {
      if (code === 'daemon.starting') setTimeout(() => stream.subscribe(topic), RETRY_MS);
      else ended.reject(new FathomError('not_found', message));
    },
  });
  stream.start();
  try {
    await Promise.race([ended.promise, once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    return 0;
  } finally {
    stream.close();
  }
}

function formatLine({ text }: Pick<LogLine, 'text'>): string {
  return printable(text);
}
