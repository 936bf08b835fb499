import { messageOf } from '../../../shared/errors.ts';
import type { InstanceLog } from '../../pocketbase/logs/instance-log.ts';

const LINES = 50;

/** Where the lines of a run begin; 0, the beginning of the log, where that cannot be told. */
export async function endOfLog(log: InstanceLog): Promise<number> {
  return log.end().catch(() => 0);
}

/** The last lines that a run printed. How it ended is reported also where its log cannot be read. */
export async function lastLines(log: InstanceLog, from: number): Promise<string[]> {
  try {
    return await log.tail(LINES, from);
  } catch (error) {
    return [`its log cannot be read: ${messageOf(error)}`];
  }
}
