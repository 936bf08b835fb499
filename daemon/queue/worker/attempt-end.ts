import type { AttemptError } from '../../../shared/api/queue.ts';
import { fullJitterMs } from '../../../shared/backoff.ts';
import type { ClaimedTask, Outcome } from '../../../shared/hooks/queue-operations.ts';
import { type HandlerError, handlerError, retryAfterOf } from '../runner/messages.ts';

const RETRY = { baseMs: 2_000, capMs: 3_600_000 };
const MAX_SIGNATURE = 300;

/** How the handler's side of an attempt ended. */
export type AttemptEnd =
  /** `answer`: what the other side said, for administrators. */
  | { kind: 'done'; result: string; answer?: string }
  | { kind: 'failed'; error: HandlerError; answer?: string }
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
  const { unrecoverable, retryAfterMs } = end.error;
  const error = JSON.stringify(entryOf(end.error, { task, worker, now }));
  const signature = signatureOf(task.type, end.error);
  const answer = end.answer === undefined ? {} : { answer: end.answer };
  if (unrecoverable || task.attempt >= task.max_attempts)
    return { kind: 'dead', error, signature, ...answer };
  const delay_ms = Math.max(retryAfterOf(retryAfterMs) ?? 0, fullJitterMs(task.attempt, RETRY, random));
  return { kind: 'retry', error, signature, delay_ms, ...answer };
}

/**
 * What follows when the control plane refuses an outcome: the task is dead, with that reason alone. Null when it refuses
 * this one as well; then the lease runs out.
 */
export function afterRefusal(
  refused: Outcome,
  reason: string,
  context: { task: ClaimedTask; worker: string; now: Date },
): Outcome | null {
  if (refused.kind === 'dead' && refused.signature.endsWith(REFUSED)) return null;
  const message = `the global PocketBase refuses to keep the end of this attempt (${refused.kind}): ${reason}`;
  const error = JSON.stringify(entryOf(handlerError(message, { code: 'refused' }), context));
  return { kind: 'dead', error, signature: `${context.task.type}: ${REFUSED}`.slice(-MAX_SIGNATURE) };
}

const REFUSED = 'the end of the attempt was refused';

function entryOf(
  { name, message, code, stack, causes }: HandlerError,
  { task, worker, now }: { task: ClaimedTask; worker: string; now: Date },
): AttemptError {
  return {
    at: now.toISOString(),
    attempt: task.attempt,
    worker,
    started_at: task.claimed_at,
    name,
    message,
    ...(code === null ? {} : { code }),
    ...(stack === null ? {} : { stack }),
    ...(causes.length === 0 ? {} : { causes }),
  };
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
