import { once } from 'node:events';
import { FathomError } from '../../shared/errors.ts';
import type { LogLine } from '../../shared/events.ts';
import { type ConnectArguments, connect, connectionOf } from './connect.ts';
import { type CliContext, printJson, printLine } from './context.ts';
import { printable } from './printable.ts';
import { UsageError } from './usage-error.ts';

/** Enough to find the place in a snapshot again. */
const REMEMBERED_LINES = 200;

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
  let printed: string[] | null = null;
  const print = (line: LogLine): void => {
    printed = [...(printed ?? []), line.text].slice(-REMEMBERED_LINES);
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
      const lines = linesToPrint(frame.data as LogLine[], printed, args.tail);
      printed ??= [];
      for (const line of lines) print(line);
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

/**
 * Of a snapshot: the last `tail` lines at first, and after a reconnection what follows the lines that were printed.
 * They are told by their text, as the daemon stamps a line whenever it reads it.
 */
export function linesToPrint(
  snapshot: readonly LogLine[],
  printed: readonly string[] | null,
  tail: number,
): readonly LogLine[] {
  if (printed === null) return tail === 0 ? [] : snapshot.slice(-tail);
  for (let end = snapshot.length; end > 0; end--) {
    const overlap = Math.min(end, printed.length);
    const before = snapshot.slice(end - overlap, end);
    const last = printed.slice(printed.length - overlap);
    if (overlap > 0 && before.every(({ text }, index) => text === last[index])) return snapshot.slice(end);
  }
  return snapshot;
}

function formatLine({ at, text }: LogLine): string {
  return printable(`${at}  ${text}`);
}
