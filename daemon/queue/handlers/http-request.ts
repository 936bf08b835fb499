import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { z } from 'zod';
import { type Address, hostOf } from '../../base/network-targets.ts';
import type { OwnTaskContext } from './context.ts';
import { httpPayloadSchema } from './http-payload.ts';
import { resolveTarget, TargetRefused } from './target.ts';

/** Of the answer, what is kept. */
const KEPT_CHARACTERS = 4_000;
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;
/** Answers to which another one may follow. */
const NOT_NOW: readonly number[] = [408, 429];

/**
 * A webhook. Answers with 5xx, 408 and 429 are tried again, the last ones not before Retry-After; other 4xx never, nor what
 * cannot be sent. A redirection is an error: followed, it would drop the body, and could lead to where nothing may be sent.
 */
export async function handle(
  given: unknown,
  { signal, task, keepAnswer, allowedTargets, UnrecoverableError }: OwnTaskContext,
): Promise<{ status: number }> {
  const parsed = httpPayloadSchema.safeParse(given);
  if (!parsed.success)
    throw new UnrecoverableError(`the payload is not right: ${z.prettifyError(parsed.error)}`);
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
        // The same for every attempt, so that the other side can tell a second one.
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
    keepAnswer(`${location}${await beginningOf(response)}`.slice(0, KEPT_CHARACTERS));
  } catch (error) {
    if (error instanceof TargetRefused) throw new UnrecoverableError(error.message);
    if (!signal.aborted && limit.aborted)
      throw new Error(`no answer within ${timeout_s} s`, { cause: error });
    throw error;
  }
  if (status >= 200 && status < 300) return { status };
  const message = `${method} ${url.origin} answered ${status}`;
  if (status < 400) {
    throw new UnrecoverableError(`${message}: redirections are not followed; name the address where it ends`);
  }
  if (status < 500 && !NOT_NOW.includes(status)) throw new UnrecoverableError(message);
  throw Object.assign(new Error(message), {
    code: `http_${status}`,
    retryAfterMs: retryAfterMs(retryAfter ?? null, Date.now()),
  });
}

/** Over a connection of its own, to one of `addresses`, whatever the name would be resolved to now. */
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

/** What is kept; the rest is not read, so that an answer without end neither fills the memory nor makes the task fail. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response) {
    text += decoder.decode(chunk as Buffer, { stream: true });
    if (text.length >= KEPT_CHARACTERS) break;
  }
  response.destroy();
  return text;
}

/** RFC 9110, 10.2.3: seconds, or a date. Null when there is none that makes sense. */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? null : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
