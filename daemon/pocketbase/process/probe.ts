import { connect } from 'node:net';
import type { Probe } from '../../../shared/api/instances.ts';
import { hostAndPort } from '../../../shared/host.ts';
import type { Clock } from '../../base/time/clock.ts';

export interface ProbeTarget {
  host: string;
  port: number;
  path: string;
  headers?: Record<string, string>;
}

/** Shows that the process serves requests. It does not read the database. */
export const READINESS_PATH = '/api/health';
/** Reads one row from the database. Needs a superuser token. */
export const LIVENESS_PATH = '/api/collections/users/records?perPage=1&skipTotal=1&fields=id';

export type Prober = typeof probe;

/** Sends one request on a new connection. Never rejects. */
export async function probe(
  target: ProbeTarget,
  { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal: AbortSignal },
): Promise<Probe> {
  const started = clock.monotonic();
  const error = await sendRequest(target, signal, timeoutMs);
  return {
    at: clock.now().toISOString(),
    ok: error === null,
    latency_ms: Math.round((clock.monotonic() - started) * 10) / 10,
    error,
  };
}

/** Shared by all probes: each read is processed before the next one. */
const READ_BUFFER = Buffer.alloc(4096);
const STATUS_LINE = /^HTTP\/1\.\d (\d{3}) /;
const BODY_LENGTH = /^content-length: *(\d+)\r$/im;
const END_OF_HEAD = '\r\n\r\n';
/** Bytes; more than the head of any response. Only the length of the rest is needed. */
const KEPT_BYTES = 8_192;

/**
 * Resolves with null for a complete 2xx response, else with the error. Written by hand because a fleet is probed all the
 * time and node:http takes three times as much processor time.
 */
function sendRequest(
  { host, port, path, headers = {} }: ProbeTarget,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<string | null> {
  return new Promise((resolve) => {
    let start = '';
    let received = 0;
    let error: string | null = null;
    const fail = (reason: string) => {
      error ??= reason;
      socket.destroy();
    };
    const abort = () => fail('aborted');
    const timer = setTimeout(() => fail(`no response within ${timeoutMs / 1000} s`), timeoutMs);
    const socket = connect({
      host,
      port,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          received += length;
          if (start.length < KEPT_BYTES) start += READ_BUFFER.toString('latin1', 0, length);
          return true;
        },
      },
    });
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) => fail(code ?? message));
    socket.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(error ?? responseError(start, received));
    });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    const lines = Object.entries({ host: hostAndPort(host, port), connection: 'close', ...headers });
    socket.write(
      `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
  });
}

/**
 * The error of a response; null for a complete 2xx response.
 *
 * @param start the start of the response
 * @param received the length of the response in bytes
 */
function responseError(start: string, received: number): string | null {
  const status = STATUS_LINE.exec(start)?.[1];
  if (status === undefined) {
    return start === '' ? 'closed the connection without a response' : 'sent no HTTP response';
  }
  if (!status.startsWith('2')) return `answered ${status}`;
  const head = start.slice(0, start.indexOf(END_OF_HEAD) + END_OF_HEAD.length);
  const bodyLength = Number(BODY_LENGTH.exec(head)?.[1] ?? 0);
  const isComplete = head.endsWith(END_OF_HEAD) && received >= head.length + bodyLength;
  return isComplete ? null : 'closed the connection before the end of its response';
}

/**
 * The first probe is sent a little before a start is done on an idle host, the next ones follow quickly. Probes take
 * processor time from the instances that start, so the intervals grow with the number of concurrent starts.
 */
const FIRST_PROBE_AFTER_MS = 14;
const PROBE_INTERVAL_MS = 2;
const SLOW_PROBE_INTERVAL_MS = 50;
const SLOW_AFTER_MS = 500;

/**
 * Probes until the first success, and returns it; null when the signal aborts first.
 *
 * @param options.concurrentStarts number of instances that are starting, including this one
 */
export async function waitUntilReady(
  target: ProbeTarget,
  {
    probe: sendProbe,
    clock,
    signal,
    concurrentStarts,
  }: { probe: Prober; clock: Clock; signal: AbortSignal; concurrentStarts: number },
): Promise<Probe | null> {
  const started = clock.monotonic();
  await clock.sleep(FIRST_PROBE_AFTER_MS * concurrentStarts, signal);
  while (!signal.aborted) {
    const result = await sendProbe(target, { clock, timeoutMs: 5000, signal });
    if (result.ok) return result;
    const isSlow = clock.monotonic() - started > SLOW_AFTER_MS;
    await clock.sleep(isSlow ? SLOW_PROBE_INTERVAL_MS : PROBE_INTERVAL_MS * concurrentStarts, signal);
  }
  return null;
}
