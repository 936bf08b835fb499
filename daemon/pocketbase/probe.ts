import { request } from 'node:http';
import type { Probe } from '../../shared/instance.ts';
import type { Clock } from '../base/clock.ts';

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

/** Null for a 2xx answer, else what was wrong. */
function answer(target: ProbeTarget, signal: AbortSignal, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const settle = (error: string | null) => {
      clearTimeout(timer);
      resolve(error);
    };
    const call = request(
      {
        host: target.host,
        port: target.port,
        path: target.path,
        headers: target.headers,
        agent: false,
        signal,
      },
      (response) => {
        response.resume();
        response.once('end', () => {
          const status = response.statusCode ?? 0;
          settle(status >= 200 && status < 300 ? null : `answered ${status}`);
        });
        response.once('error', (error) => settle(error.message));
      },
    );
    // A timer of its own: a fleet is probed all day, and signals that time out cost more than the request.
    const timer = setTimeout(() => {
      settle(`no answer within ${timeoutMs / 1000} s`);
      call.destroy();
    }, timeoutMs);
    call.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    call.end();
  });
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
  { clock, signal, bootsUnderWay }: { clock: Clock; signal: AbortSignal; bootsUnderWay: number },
): Promise<Probe | null> {
  const started = clock.monotonic();
  await clock.sleep(FIRST_LOOK_MS * bootsUnderWay, signal);
  while (!signal.aborted) {
    const result = await probe(target, { clock, timeoutMs: 5000, signal });
    if (result.ok) return result;
    const isSlow = clock.monotonic() - started > SLOW_AFTER_MS;
    await clock.sleep(isSlow ? SLOW_LOOK_MS : NEXT_LOOK_MS * bootsUnderWay, signal);
  }
  return null;
}
