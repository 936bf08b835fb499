import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import type { Clock } from '../../base/time/clock.ts';
import { systemClock } from '../../base/time/clock.ts';
import type { DataState } from '../../pocketbase/data/data-state.ts';
import { LIVENESS_PATH, probe, READINESS_PATH } from '../../pocketbase/process/probe.ts';
import { watchLiveness } from './liveness.ts';

/** A clock that does not wait, but records the waits. */
function instantClock(startedAtMs = 0): Clock & { waits: number[] } {
  const waits: number[] = [];
  return {
    ...systemClock,
    monotonic: () => startedAtMs,
    waits,
    sleep: (ms) => {
      waits.push(ms);
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function watch(
  port: number,
  clock: Clock,
  authorization: (() => Promise<string>) | null,
  statuses: boolean[],
  data: DataState = { broken: null, limited: null },
) {
  const failures: number[] = [];
  const stop = new AbortController();
  const verdict = watchLiveness(
    {
      host: '127.0.0.1',
      port,
      intervalMs: 30_000,
      authorization,
      probe,
      clock,
      random: () => 0.5,
      inspect: () => Promise.resolve(data),
      unresponsiveReason: () => Promise.resolve(null),
      atOnce: false,
      onProbe: (_probe, failed) => {
        failures.push(failed);
        if (statuses.length === 0) stop.abort();
      },
    },
    stop.signal,
  );
  return verdict.then((result) => ({ result, failures }));
}

it('ends after three failures in a row, and probes sooner after a failure', async () => {
  const statuses = [false, false, true, false, false, false];
  const port = await serve((_request, response) => {
    response.statusCode = statuses.shift() === true ? 200 : 500;
    response.end();
  });
  const clock = instantClock();
  expect(await watch(port, clock, null, [true])).toEqual({
    result: 'unresponsive',
    failures: [1, 2, 0, 1, 2, 3],
  });
  expect(clock.waits).toEqual([15_000, 3_000, 3_000, 30_000, 3_000, 3_000]);
});

it.each([
  ['nothing', 'closed the connection without a response'],
  ['SSH-2.0-OpenSSH_9.2\r\n', 'sent no HTTP response'],
  ['HTTP/1.1 20', 'sent no HTTP response'],
  [
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n',
    'closed the connection before the end of its response',
  ],
  [
    'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"items":[',
    'closed the connection before the end of its response',
  ],
  ['HTTP/1.1 503 Service Unavailable\r\n\r\n', 'answered 503'],
  ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}', null],
])('a response counts only when it is complete: %j', async (text, error) => {
  const server = createSocketServer((socket) => {
    socket.once('data', () => socket.end(text === 'nothing' ? '' : text));
  }).listen(0, '::1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const options = { clock: systemClock, timeoutMs: 5_000, signal: new AbortController().signal };
  const result = await probe({ host: '::1', port, path: READINESS_PATH }, options);
  expect(result).toMatchObject({ ok: error === null, error });
});

it('sends all probes of one second together', async () => {
  const port = await serve((_request, response) => {
    response.statusCode = 500;
    response.end();
  });
  for (const startedAtMs of [70_300, 70_900]) {
    const clock = instantClock(startedAtMs);
    await watch(port, clock, null, [true]);
    expect(clock.waits.map((ms) => (startedAtMs + ms) % 1_000)).toEqual([0, 0, 0]);
  }
});

it('reads the database as superuser, and only probes whether the process serves without a token', async () => {
  const statuses = [true, true, true];
  const requests: string[] = [];
  const port = await serve((request, response) => {
    statuses.pop();
    requests.push(`${request.url} ${request.headers.authorization ?? '-'}`);
    response.end();
  });
  const tokens = [
    () => Promise.resolve('token'),
    () => Promise.reject(new Error('the control plane is unavailable')),
    () => Promise.withResolvers<string>().promise,
  ];
  let turn = 0;
  const authorization = () => {
    turn += 1;
    return (tokens[turn - 1] ?? tokens[0])?.() ?? Promise.resolve('');
  };
  const { result } = await watch(port, instantClock(), authorization, statuses);
  expect(result).toBe('aborted');
  expect(requests).toEqual([`${LIVENESS_PATH} token`, `${READINESS_PATH} -`, `${READINESS_PATH} -`]);
});
