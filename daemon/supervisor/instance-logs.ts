import type { LogTail } from '../../shared/api/databases.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { LogLevelName, LogLine, LogRun, LogSource } from '../../shared/events.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { withTimes } from '../pocketbase/logs/log-times.ts';
import { type InstanceSpec, requestLogOf } from './instance-spec.ts';

/** The lines of a run that are read to find the reason of its exit. */
const RUN_LINES = 500;

/** The level of request log entries that are shown together with the output of the process: only failed requests. */
export const DEFAULT_REQUEST_LEVEL: LogLevelName = 'warn';

/**
 * The last lines of the logs of an instance.
 *
 * @param options.level of the request log
 * @throws FathomError `instance.failed` when a log cannot be read
 */
export async function tailLogs(
  spec: InstanceSpec,
  { tail, source, level }: { tail: number; source: LogSource; level?: LogLevelName | undefined },
  clock: Clock,
): Promise<LogTail> {
  const {
    lines: complete,
    end,
    rest,
  } = await spec.log.tailWithEnd(tail).catch((error: unknown) => {
    throw new FathomError(
      'instance.failed',
      `cannot read the log of ${spec.name}: ${messageOf(error)}; check ${spec.log.path}`,
      { cause: error },
    );
  });
  const all = rest === '' ? complete : [...complete, rest].slice(-tail);
  const output = source === 'requests' ? [] : withTimes(all, clock.now());
  const minimumLevel = level ?? (source === 'requests' ? 'info' : DEFAULT_REQUEST_LEVEL);
  const requests = source === 'output' ? [] : readRequestLines(spec, tail, minimumLevel);
  return {
    lines: mergeByTime(output, requests).slice(-tail),
    position: end,
    partial: rest !== '' && source !== 'requests',
  };
}

/** @throws FathomError `instance.failed` */
export function readRequestLines(spec: InstanceSpec, count: number, level: LogLevelName): LogLine[] {
  try {
    return requestLogOf(spec)
      .tail(count, level)
      .map(({ at, text }) => ({ at, text, source: 'requests' as const }));
  } catch (error) {
    throw new FathomError(
      'instance.failed',
      `cannot read the request log of ${spec.name}: ${messageOf(error)}; use '--source output' to leave it out`,
      { cause: error },
    );
  }
}

/** Merges two logs by time. The order within each log stays, because the times of output lines are estimates. */
export function mergeByTime(output: readonly LogLine[], requests: readonly LogLine[]): LogLine[] {
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

/** The position at which the lines of a run begin; 0 when the log cannot be read. */
export async function endOfLog(log: InstanceLog): Promise<number> {
  return log.end().catch(() => 0);
}

/** The last output lines of a run. A log that cannot be read is reported in their place. */
export async function lastLines(log: InstanceLog, from: number): Promise<string[]> {
  try {
    return await log.tail(RUN_LINES, from);
  } catch (error) {
    return [`cannot read the log: ${messageOf(error)}`];
  }
}

/** Records where a run begins in the log. Best effort: a failure does not block the start. */
export function recordRun(
  { name, log: instanceLog }: InstanceSpec,
  position: number,
  run: LogRun,
  log: Logger,
): void {
  instanceLog.recordRun(position, run).catch((error: unknown) => {
    log.warn({ instance: name }, `cannot record where this run begins in the log: ${messageOf(error)}`);
  });
}
