import { once } from 'node:events';
import { FathomError } from '../../shared/errors.ts';
import type { LogLine } from '../../shared/events.ts';
import { type ConnectArguments, connect, connectionOf } from './connect.ts';
import { type CliContext, printJson, printLine } from './context.ts';
import { printable } from './printable.ts';
import { UsageError } from './usage-error.ts';

export interface LogsArguments extends ConnectArguments {
  name: string;
  tail: number;
  follow: boolean;
  json: boolean;
}

export async function showLogs(args: LogsArguments, context: CliContext): Promise<number> {
  if (!Number.isSafeInteger(args.tail) || args.tail < 0)
    throw new UsageError('--tail needs a whole number like 200');
  if (args.follow) return followLogs(args, context);
  const { lines } = await connect(args, context).databases.logs(args.name, { tail: args.tail });
  if (args.json) printJson(context, lines);
  else for (const line of lines) printLine(context.stdout, formatLine(line));
  return 0;
}

/** Until Ctrl-C. A broken link is mended by the stream; what was printed before is not printed again. */
async function followLogs(args: LogsArguments, context: CliContext): Promise<number> {
  const { FleetStream } = await import('../../shared/client/stream.ts');
  const { target, token } = connectionOf(args, context);
  const ended = Promise.withResolvers<void>();
  let last: string | null = null;
  const print = (line: LogLine): void => {
    last = line.at;
    printLine(context.stdout, args.json ? JSON.stringify(line) : formatLine(line));
  };
  const stream = new FleetStream({
    target,
    ...(token === undefined ? {} : { token }),
    topics: [`logs:${args.name}`],
    onLink(state) {
      if (state.kind === 'refused') ended.reject(new FathomError('auth.forbidden', state.reason));
      if (state.kind === 'stale' && state.next_attempt_at !== null) {
        printLine(context.stderr, `fathomd: ${state.reason}; trying again`);
      }
    },
    onSnapshot(frame) {
      const lines = frame.data as LogLine[];
      for (const line of linesAfter(lines, last, args.tail)) print(line);
    },
    onEvent({ event }) {
      if (event.kind === 'log.line') print(event.line);
    },
    onTopicRefused: (_topic, message) => ended.reject(new FathomError('not_found', message)),
  });
  stream.start();
  try {
    await Promise.race([ended.promise, once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    return 0;
  } finally {
    stream.close();
  }
}

/** Of a snapshot: the last `tail` lines at first, and after a reconnection those that are new. */
export function linesAfter(lines: readonly LogLine[], last: string | null, tail: number): readonly LogLine[] {
  if (last !== null) return lines.filter((line) => line.at > last);
  return tail === 0 ? [] : lines.slice(-tail);
}

function formatLine({ at, text }: LogLine): string {
  return printable(`${at}  ${text}`);
}
