import { connect } from 'node:net';
import { hostAndPort } from '../../../shared/host.ts';
import type { Probe } from '../../../shared/instance.ts';
import type { Clock } from '../../base/time/clock.ts';

export interface ProbeTarget {
  host: string;
  port: number;
  path: string;
  headers?: Record<string, string>;
}

/** Answers of `/api/health`: the process serves. It says nothing of the database behind. */
export const READINESS_PATH = '/api/health';
/** Reads a row's worth from the database, as `/api/health` answers even when that is gone. Needs a superuser's token. */
export const LIVENESS_PATH = '/api/collections/users/records?perPage=1&skipTotal=1&fields=id';

export type Prober = typeof probe;

/** One request on a connection of its own; never rejects. */
export async function probe(
  target: ProbeTarget,
  { clock, timeoutMs, signal }: { clock: Clock; timeoutMs: number; signal: AbortSignal },
): Promise<Probe> {
  const started = clock.monotonic();
  const error = await answer(target, signal, timeoutMs);
  return {
    at: clock.now().toISOString(),
    ok: error === null,
    latency_ms: Math.round((clock.monotonic() - started) * 10) / 10,
    error,
  };
}

/** Every probe reads into it: what arrives is looked at before the next one reads. */
const READ_BUFFER = Buffer.alloc(4096);
const STATUS_LINE = /^HTTP\/1\.\d (\d{3}) /;
const BODY_LENGTH = /^content-length: *(\d+)\r$/im;
const END_OF_HEAD = '\r\n\r\n';
/** More than the head of any answer; of the rest only the length matters. */
const KEPT = 8_192;

/**
 * Null for a whole 2xx answer, else what was wrong. A fleet is probed all day, what an answer says does not matter, and
 * node:http takes the daemon three times as long as this.
 */
function answer(
  { host, port, path, headers = {} }: ProbeTarget,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<string | null> {
  return new Promise((resolve) => {
    let start = '';
    let received = 0;
    let error: string | null = null;
    const end = (why: string) => {
      error ??= why;
      socket.destroy();
    };
    const abort = () => end('aborted');
    const timer = setTimeout(() => end(`no answer within ${timeoutMs / 1000} s`), timeoutMs);
    const socket = connect({
      host,
      port,
      onread: {
        buffer: READ_BUFFER,
        callback: (length) => {
          received += length;
          if (start.length < KEPT) start += READ_BUFFER.toString('latin1', 0, length);
          return true;
        },
      },
    });
    socket.once('error', ({ code, message }: NodeJS.ErrnoException) => end(code ?? message));
    socket.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve(error ?? whatIsWrongWith(start, received));
    });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    const lines = Object.entries({ host: hostAndPort(host, port), connection: 'close', ...headers });
    socket.write(
      `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    );
  });
}

/** `start` is the beginning of the `received` bytes of an answer. */
function whatIsWrongWith(start: string, received: number): string | null {
  const status = STATUS_LINE.exec(start)?.[1];
  if (status === undefined) {
    return start === '' ? 'ended the connection without an answer' : 'gave no HTTP answer';
  }
  if (!status.startsWith('2')) return `answered ${status}`;
  const head = start.slice(0, start.indexOf(END_OF_HEAD) + END_OF_HEAD.length);
  const bodyLength = Number(BODY_LENGTH.exec(head)?.[1] ?? 0);
  const isWhole = head.endsWith(END_OF_HEAD) && received >= head.length + bodyLength;
  return isWhole ? null : 'ended the connection in the middle of its answer';
}

/**
 * The first look waits for somewhat less than a boot takes on an idle host, the next ones come often. Each look takes time
 * from the boots it waits for, so with several under way, which slow each other down, they come more rarely.
 */
const FIRST_LOOK_MS = 14;
const NEXT_LOOK_MS = 2;
const SLOW_LOOK_MS = 50;
const SLOW_AFTER_MS = 500;

/**
 * Probes until the first good answer, and returns it; null when the signal aborts first.
 *
 * @param options.bootsUnderWay how many instances boot at this time, this one included
 */
export async function waitUntilReady(
  target: ProbeTarget,
  {
    probe: look,
    clock,
    signal,
    bootsUnderWay,
  }: { probe: Prober; clock: Clock; signal: AbortSignal; bootsUnderWay: number },
): Promise<Probe | null> {
  const started = clock.monotonic();
  await clock.sleep(FIRST_LOOK_MS * bootsUnderWay, signal);
  while (!signal.aborted) {
    const result = await look(target, { clock, timeoutMs: 5000, signal });
    if (result.ok) return result;
    const isSlow = clock.monotonic() - started > SLOW_AFTER_MS;
    await clock.sleep(isSlow ? SLOW_LOOK_MS : NEXT_LOOK_MS * bootsUnderWay, signal);
  }
  return null;
}
