import { z } from 'zod';
import type { TaskContext } from './context.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const;
const headers = z.record(z.string(), z.string());

const payloadSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).refine((url) => new URL(url).username + new URL(url).password === '', {
    error: 'it must not hold a user or password; send them as an authorization in secrets.headers',
  }),
  method: z.enum(METHODS).default('POST'),
  headers: headers.default({}),
  /** Text as it is; anything else as JSON. */
  body: z.unknown().optional(),
  timeout_s: z.number().positive().max(3600).default(30),
  /** Kept encrypted: headers as they are, such as an Authorization. */
  secrets: z.strictObject({ headers: headers.default({}) }).optional(),
});

/** What fetch will not do, by the message or the code it has for it, whoever would answer; and what to do about it. */
const REFUSALS = new Map([
  [
    'bad port',
    'fetch connects to no port that other protocols are known by (https://fetch.spec.whatwg.org/#port-blocking): let the server, or what it redirects to, use another one',
  ],
  [
    'redirect count exceeded',
    'it redirects more than 20 times: name the address where that ends, if it does',
  ],
  ['URL scheme must be a HTTP(S) scheme', 'it redirects to an address that is not http(s): name another one'],
  ['ERR_INVALID_URL', 'it redirects to what is no address: mend the server, or name another address'],
  [
    'cross origin not allowed for request mode "cors"',
    'it redirects to an address with a user and password: name that one, and send them in secrets.headers',
  ],
  ['UND_ERR_INVALID_ARG', 'a header of the payload cannot be sent'],
  ['UND_ERR_NOT_SUPPORTED', 'a header of the payload cannot be sent'],
  ['UND_ERR_REQ_CONTENT_LENGTH_MISMATCH', 'leave out the content-length, which is counted'],
]);

/** Of the answer, what is kept. */
const KEPT_CHARACTERS = 4_000;
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/**
 * A webhook. Answers with 5xx, 408 and 429 are tried again, the last ones not before Retry-After; other 4xx never, nor what
 * cannot be sent.
 */
export async function handle(
  given: unknown,
  { signal, task, UnrecoverableError }: TaskContext,
): Promise<{ status: number; body: string }> {
  const parsed = payloadSchema.safeParse(given);
  if (!parsed.success)
    throw new UnrecoverableError(`the payload is not right: ${z.prettifyError(parsed.error)}`);
  const { url, method, body, timeout_s, secrets } = parsed.data;
  const response = await fetch(url, {
    method,
    headers: {
      ...(body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
      'user-agent': 'fathom',
      // The same for every attempt, so that the other side can tell a second one.
      'idempotency-key': task.id,
      ...parsed.data.headers,
      ...secrets?.headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    // A redirection could lead a secret header to somebody else.
    redirect: secrets ? 'manual' : 'follow',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout_s * 1000)]),
  }).catch((error: unknown) => {
    const refusal = refusalOf(error);
    if (refusal !== null) throw new UnrecoverableError(refusal);
    throw explained(error, { signal, timeout_s });
  });
  const text = await beginningOf(response);
  if (response.ok) return { status: response.status, body: text };
  const message = `${method} ${new URL(url).origin} answered ${response.status}: ${text.slice(0, 200)}`;
  if (response.status < 500 && ![408, 429].includes(response.status)) throw new UnrecoverableError(message);
  throw Object.assign(new Error(message), {
    code: `http_${response.status}`,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after'), Date.now()),
  });
}

/** Null where another attempt could end otherwise. */
function refusalOf(error: unknown): string | null {
  if (!(error instanceof TypeError)) return null;
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  // Of what happened on the way there is one.
  if (!cause) return `this cannot be sent: ${error.message}`;
  const known = REFUSALS.get(cause.code ?? cause.message);
  return known === undefined ? null : `${cause.message}: ${known}`;
}

/** What is kept; the rest is not read, so that an answer without end neither fills the memory nor makes the task fail. */
async function beginningOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= KEPT_CHARACTERS) break;
  }
  return text.slice(0, KEPT_CHARACTERS);
}

/** fetch says 'fetch failed' and hides the reason in the cause. */
function explained(
  error: unknown,
  { signal, timeout_s }: { signal: AbortSignal; timeout_s: number },
): unknown {
  if (signal.aborted || !(error instanceof Error)) return error;
  if (error.name === 'TimeoutError') return new Error(`no answer within ${timeout_s} s`, { cause: error });
  const { cause } = error;
  return cause instanceof Error ? new Error(cause.message || error.message, { cause: error }) : error;
}

/** RFC 9110, 10.2.3: seconds, or a date. Null when there is none that makes sense. */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
