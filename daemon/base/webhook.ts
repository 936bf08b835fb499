import { createHmac } from 'node:crypto';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { messageOf } from '../../shared/errors.ts';
import { parseRetryAfterHeader } from './time/retry-after.ts';

const TIMEOUT_MS = 10_000;
/** Answers whose Retry-After counts: too many requests, and unavailable. */
const ANSWERS_WITH_TIME: readonly number[] = [429, 503];

/** The signature of Standard Webhooks: `v1,` and the base64 of an HMAC-SHA256. @param timestampS seconds since 1970 */
export function signWebhook(
  { id, timestampS, body }: { id: string; timestampS: number; body: string },
  secret: Uint8Array,
): string {
  return `v1,${createHmac('sha256', secret).update(`${id}.${timestampS}.${body}`).digest('base64')}`;
}

/** Headers of one attempt; the id is the same in each. */
export function webhookHeaders(
  { id, body, now }: { id: string; body: string; now: Date },
  secret: Uint8Array,
): Record<string, string> {
  const timestampS = Math.floor(now.getTime() / 1000);
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signWebhook({ id, timestampS, body }, secret),
  };
}

/**
 * Sends a request to a URL of the administrator. Redirects are not followed: they could lead elsewhere. Any port is allowed,
 * unlike with `fetch`.
 *
 * @throws Error with the origin of the URL; the rest may contain a token. `retryAfterMs` is the wait that a busy server asks for
 */
export async function requestTrusted(
  url: string,
  init: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string },
  signal: AbortSignal,
): Promise<void> {
  const { origin } = new URL(url);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let response: IncomingMessage;
  try {
    response = await firstAnswer(url, init, limit);
  } catch (error) {
    if (!signal.aborted && limit.aborted)
      throw new Error(`${origin} did not answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
    throw new Error(`cannot reach ${origin}: ${causeOf(error)}`, { cause: error });
  }
  // An answer can be endless.
  response.destroy();
  const { statusCode: status = 0 } = response;
  if (status >= 200 && status < 300) return;
  const isRedirect = status >= 300 && status < 400;
  const remedy = isRedirect ? '; redirects are not followed, use the final address' : '';
  const failure = new Error(`${origin} answered ${status}${remedy}`);
  const retryAfterMs = ANSWERS_WITH_TIME.includes(status)
    ? parseRetryAfterHeader(response.headers['retry-after'] ?? null, Date.now())
    : null;
  throw retryAfterMs === null ? failure : Object.assign(failure, { retryAfterMs });
}

function firstAnswer(
  url: string,
  { method, headers, body }: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const send = new URL(url).protocol === 'https:' ? requestHttps : requestHttp;
  // A connection that is kept can have been closed by the receiver.
  const options = { method, headers: { 'user-agent': 'fathom', ...headers }, agent: false, signal };
  send(url, options)
    .on('response', resolve)
    .on('error', reject)
    .on('close', () => reject(new Error('the connection was closed without an answer')))
    .end(body);
  return promise;
}

/** A host with several addresses has an error for each, and no message of its own. */
function causeOf(error: unknown): string {
  return error instanceof AggregateError ? error.errors.map(messageOf).join(', ') : messageOf(error);
}
