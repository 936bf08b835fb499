import type { AttemptError } from '../../../shared/api/queue.ts';
import { fullJitterMs } from '../../../shared/backoff.ts';
import type { ClaimedTask, Outcome } from '../../../shared/hooks/queue-operations.ts';
import { type HandlerError, handlerError, parseRetryAfter } from '../runner/messages.ts';

const RETRY = { baseMs: 2_000, capMs: 3_600_000 };
const MAX_SIGNATURE = 300;

/** How an attempt ended in the worker. */
export type AttemptEnd =
  /** `answer` is the response of a remote server, for administrators. */
  | { kind: 'done'; result: string; answer?: string }
  | { kind: 'failed'; error: HandlerError; answer?: string }
  | { kind: 'cancelled' }
  | { kind: 'returned' };

/**
 * Decides what follows the end of an attempt. A failure is retried after a back-off with full jitter, but not before the time
 * that the handler requested. The task is dead when its attempts are used up or the error is unrecoverable.
 *
 * @param random a number in [0, 1)
 */
export function decideOutcome(
  end: AttemptEnd,
  context: { task: ClaimedTask; worker: string; now: Date; random: () => number },
): Outcome {
  if (end.kind !== 'failed') return end;
  const { task, worker, now, random } = context;
  const { unrecoverable, retryAfterMs } = end.error;
  const error = JSON.stringify(toAttemptError(end.error, { task, worker, now }));
  const signature = signatureOf(task.type, end.error);
  const answer = end.answer === undefined ? {} : { answer: end.answer };
  if (unrecoverable || task.attempt >= task.max_attempts)
    return { kind: 'dead', error, signature, ...answer };
  const delay_ms = Math.max(parseRetryAfter(retryAfterMs) ?? 0, fullJitterMs(task.attempt, RETRY, random));
  return { kind: 'retry', error, signature, delay_ms, ...answer };
}

/**
 * Returns the outcome to report when the control plane refuses one: the task is dead, with the refusal as its error. Returns
 * null when this was refused as well; then the lease expires.
 */
export function outcomeAfterRefusal(
  refused: Outcome,
  reason: string,
  context: { task: ClaimedTask; worker: string; now: Date },
): Outcome | null {
  if (refused.kind === 'dead' && refused.signature.endsWith(REFUSED)) return null;
  const message = `the global PocketBase refuses to store the end of this attempt (${refused.kind}): ${reason}`;
  const error = JSON.stringify(toAttemptError(handlerError(message, { code: 'refused' }), context));
  return { kind: 'dead', error, signature: `${context.task.type}: ${REFUSED}`.slice(-MAX_SIGNATURE) };
}

const REFUSED = 'the end of the attempt was refused';

function toAttemptError(
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

/** Returns the kind of an error: its text without numbers, ids and quoted values. */
export function signatureOf(type: string, { name, message }: { name: string; message: string }): string {
  const firstLine = message.split('\n')[0] ?? '';
  const shape = firstLine
    .replace(/(["'`]).*?\1/g, '…')
    .replace(/\b(?=\w*\d)[\w-]+\b/g, '#')
    .trim();
  return `${type}: ${name === 'Error' ? '' : `${name}: `}${shape}`.slice(0, MAX_SIGNATURE);
}
