import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { describeIssue } from '../../../shared/api/contract/value-errors.ts';
import { messageOf } from '../../../shared/errors.ts';
import { type Address, hostOf } from '../../base/network-targets.ts';
import { parseRetryAfterHeader } from '../../base/time/retry-after.ts';
import type { BuiltInTaskContext } from './context.ts';
import { httpPayloadSchema } from './http-payload.ts';
import { resolveTarget, TargetRefused } from './target.ts';

/** Stored characters of the response. */
const STORED_CHARACTERS = 4_000;
/** Client errors after which a retry may succeed. */
const RETRYABLE: readonly number[] = [408, 429];

/**
 * Sends a webhook. Responses with 5xx, 408 and 429 are retried, 408 and 429 not before Retry-After. Other 4xx responses and
 * invalid requests are not. A redirect is an error: following it would drop the body and could lead to a forbidden target.
 */
export async function handle(
  given: unknown,
  { signal, task, keepAnswer, allowedTargets, UnrecoverableError }: BuiltInTaskContext,
): Promise<{ status: number }> {
  const parsed = httpPayloadSchema.safeParse(given, { error: describeIssue });
  if (!parsed.success) throw new UnrecoverableError(`the payload is invalid: ${messageOf(parsed.error)}`);
  const { method, body, timeout_s, headers, secrets } = parsed.data;
  const url = new URL(parsed.data.url);
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout_s * 1000)]);
  let status: number;
  let retryAfter: string | undefined;
  try {
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    const addresses = await unlessAborted(resolveTarget({ host: hostOf(url), port }, allowedTargets), limit);
    const response = await send(url, addresses, {
      method,
      headers: {
        ...(text === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }),
        'user-agent': 'fathom',
        // The same for every attempt, so that the server can recognize a retry.
        'idempotency-key': task.id,
        'accept-encoding': 'identity',
        ...headers,
        ...secrets?.headers,
      },
      body: text,
      signal: limit,
    });
    status = response.statusCode ?? 0;
    retryAfter = response.headers['retry-after'];
    const location =
      response.headers.location === undefined ? '' : `location: ${response.headers.location}\n`;
    keepAnswer(`${location}${await readBeginning(response)}`.slice(0, STORED_CHARACTERS));
  } catch (error) {
    if (error instanceof TargetRefused) throw new UnrecoverableError(error.message);
    if (!signal.aborted && limit.aborted)
      throw new Error(`no answer within ${timeout_s} s`, { cause: error });
    throw error;
  }
  if (status >= 200 && status < 300) return { status };
  const message = `${method} ${url.origin} answered ${status}`;
  if (status < 400) {
    throw new UnrecoverableError(`${message}: redirects are not followed; use the final address`);
  }
  if (status < 500 && !RETRYABLE.includes(status)) throw new UnrecoverableError(message);
  throw Object.assign(new Error(message), {
    code: `http_${status}`,
    retryAfterMs: parseRetryAfterHeader(retryAfter ?? null, Date.now()),
  });
}

/** Sends the request over a new connection to one of `addresses`; the name is not resolved again. */
function send(
  url: URL,
  addresses: readonly [Address, ...Address[]],
  options: {
    method: string;
    headers: Record<string, string>;
    body: string | undefined;
    signal: AbortSignal;
  },
): Promise<IncomingMessage> {
  const { body, ...rest } = options;
  const lookup: LookupFunction = (_name, { all }, done) => {
    if (all === true) done(null, [...addresses]);
    else done(null, addresses[0].address, addresses[0].family);
  };
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const call = request(url, { ...rest, agent: false, lookup }, resolve);
    call.once('error', reject);
    call.end(body);
  });
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true });
  return Promise.race([work, aborted.promise]);
}

/** Reads the part of the response that is stored. The rest is not read, because a response can be endless. */
async function readBeginning(response: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response) {
    text += decoder.decode(chunk as Buffer, { stream: true });
    if (text.length >= STORED_CHARACTERS) break;
  }
  response.destroy();
  return text;
}
