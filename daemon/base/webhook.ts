import { createHmac } from 'node:crypto';
import { messageOf } from '../../shared/errors.ts';

const TIMEOUT_MS = 10_000;

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
    'user-agent': 'fathom',
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signWebhook({ id, timestampS, body }, secret),
  };
}

/**
 * Sends a request to a URL of the administrator. Redirects are not followed: they could lead elsewhere.
 *
 * @throws Error with the origin of the URL; the rest may contain a token
 */
export async function requestTrusted(
  url: string,
  init: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string },
  signal: AbortSignal,
): Promise<void> {
  const { origin } = new URL(url);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: 'manual', signal: limit });
  } catch (error) {
    if (!signal.aborted && limit.aborted)
      throw new Error(`${origin} did not answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
    const { cause } = error as Error;
    throw new Error(`cannot reach ${origin}: ${messageOf(cause ?? error)}`, { cause: error });
  }
  // An answer can be endless.
  await response.body?.cancel();
  if (response.ok) return;
  const isRedirect = response.status >= 300 && response.status < 400;
  const remedy = isRedirect ? '; redirects are not followed, use the final address' : '';
  throw new Error(`${origin} answered ${response.status}${remedy}`);
}
