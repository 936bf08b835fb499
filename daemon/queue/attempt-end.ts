import type { AttemptError } from '../../shared/task.ts';
import { fullJitterMs } from '../base/backoff.ts';
import type { ClaimedTask, Outcome } from './claimed-task.ts';
import type { HandlerError } from './runner/messages.ts';

const RETRY = { baseMs: 2_000, capMs: 3_600_000 };
const MAX_SIGNATURE = 300;

/** How the handler's side of an attempt ended. */
export type AttemptEnd =
  | { kind: 'done'; result: string }
  | { kind: 'failed'; error: HandlerError }
  | { kind: 'cancelled' }
  | { kind: 'returned' };

/**
 * What follows from the end of an attempt: again after a back-off with full jitter, but not before the handler asked
 * for; the dead letters when attempts are used up or the error says that trying again is useless.
 *
 * @param random a number in [0, 1)
 */
export function outcomeOf(
  end: AttemptEnd,
  context: { task: ClaimedTask; worker: string; now: Date; random: () => number },
): Outcome {
  if (end.kind !== 'failed') return end;
  const { task, worker, now, random } = context;
  const { name, message, code, stack, unrecoverable, retryAfterMs } = end.error;
  const entry: AttemptError = {
    at: now.toISOString(),
    attempt: task.attempt,
    worker,
    started_at: task.claimed_at,
    name,
    message,
    ...(code === null ? {} : { code }),
    ...(stack === null ? {} : { stack }),
  };
  const error = JSON.stringify(entry);
  const signature = signatureOf(task.type, end.error);
  if (unrecoverable || task.attempt >= task.max_attempts) return { kind: 'dead', error, signature };
  const delay_ms = Math.max(retryAfterMs ?? 0, fullJitterMs(task.attempt, RETRY, random));
  return { kind: 'retry', error, signature, delay_ms };
}

/** Errors that differ only in numbers, ids and quoted values are one kind of error. */
export function signatureOf(type: string, { name, message }: { name: string; message: string }): string {
  const firstLine = message.split('\n')[0] ?? '';
  const shape = firstLine
    .replace(/(["'`]).*?\1/g, '…')
    .replace(/\b(?=\w*\d)[\w-]+\b/g, '#')
    .trim();
  return `${type}: ${name === 'Error' ? '' : `${name}: `}${shape}`.slice(0, MAX_SIGNATURE);
}
