import type { LogTail } from '../../shared/api/databases.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { LogLevelName, LogLine, LogSource } from '../../shared/events.ts';
import type { Clock } from '../base/time/clock.ts';
import { withTimes } from '../pocketbase/logs/log-times.ts';
import { type InstanceSpec, requestLogOf } from './instance-spec.ts';

/** Among what a process printed, only requests that failed are shown. */
export const LEVEL_AMONG_OUTPUT: LogLevelName = 'warn';

/**
 * The end of the logs of an instance.
 *
 * @param level of what PocketBase logged
 * @throws FathomError `instance.failed` when a log cannot be read
 */
export async function tailOfLogs(
  spec: InstanceSpec,
  { tail, source, level }: { tail: number; source: LogSource; level?: LogLevelName | undefined },
  clock: Clock,
): Promise<LogTail> {
  const {
    lines: printed,
    end,
    rest,
  } = await spec.log.tailWithEnd(tail).catch((error: unknown) => {
    throw new FathomError(
      'instance.failed',
      `the log of ${spec.name} cannot be read: ${messageOf(error)}; check ${spec.log.path}`,
      { cause: error },
    );
  });
  const all = rest === '' ? printed : [...printed, rest].slice(-tail);
  const output = source === 'requests' ? [] : withTimes(all, clock.now());
  const floor = level ?? (source === 'requests' ? 'info' : LEVEL_AMONG_OUTPUT);
  const requests = source === 'output' ? [] : requestLines(spec, tail, floor);
  return {
    lines: byTime(output, requests).slice(-tail),
    position: end,
    partial: rest !== '' && source !== 'requests',
  };
}

/** @throws FathomError `instance.failed` */
export function requestLines(spec: InstanceSpec, count: number, level: LogLevelName): LogLine[] {
  try {
    return requestLogOf(spec)
      .tail(count, level)
      .map(({ at, text }) => ({ at, text, source: 'requests' as const }));
  } catch (error) {
    throw new FathomError(
      'instance.failed',
      `the request log of ${spec.name} cannot be read: ${messageOf(error)}; '--source output' leaves it out`,
      { cause: error },
    );
  }
}

/** Lines of one source keep their order; the time of what was printed is a good guess. */
export function byTime(output: readonly LogLine[], requests: readonly LogLine[]): LogLine[] {
  const merged: LogLine[] = [];
  let next = 0;
  for (const line of output) {
    for (let entry = requests[next]; entry !== undefined && entry.at < line.at; entry = requests[next]) {
      merged.push(entry);
      next += 1;
    }
    merged.push(line);
  }
  return [...merged, ...requests.slice(next)];
}
