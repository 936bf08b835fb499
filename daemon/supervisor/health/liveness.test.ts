import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import type { Clock } from '../../base/time/clock.ts';
import { systemClock } from '../../base/time/clock.ts';
import type { DataState } from '../../pocketbase/data/data-state.ts';
import { LIVENESS_PATH, probe, READINESS_PATH } from '../../pocketbase/process/probe.ts';
import { watchLiveness } from './liveness.ts';

/** Waits for nothing, but remembers what it was asked to wait. */
function hurried(startedAtMs = 0): Clock & { waits: number[] } {
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

async function answers(listener: RequestListener): Promise<number> {
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
      onProbe: (_probe, inARow) => {
        failures.push(inARow);
        if (statuses.length === 0) stop.abort();
      },
    },
    stop.signal,
  );
  return verdict.then((how) => ({ how, failures }));
}

it('three failures in a row are the end, fewer are forgiven, and a suspicion looks again sooner', async () => {
  const statuses = [false, false, true, false, false, false];
  const port = await answers((_request, response) => {
    response.statusCode = statuses.shift() === true ? 200 : 500;
    response.end();
  });
  const clock = hurried();
  expect(await watch(port, clock, null, [true])).toEqual({
    how: 'unresponsive',
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
])('an answer counts only when it is whole: %j', async (said, error) => {
  const server = createSocketServer((socket) => {
    socket.once('data', () => socket.end(said === 'nothing' ? '' : said));
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

it('probes of a second are made together, whenever their instances were started', async () => {
  const port = await answers((_request, response) => {
    response.statusCode = 500;
    response.end();
  });
  for (const startedAtMs of [70_300, 70_900]) {
    const clock = hurried(startedAtMs);
    await watch(port, clock, null, [true]);
    expect(clock.waits.map((ms) => (startedAtMs + ms) % 1_000)).toEqual([0, 0, 0]);
  }
});

it('reads from the database as the superuser; without a token it asks only whether the process serves', async () => {
  const statuses = [true, true, true];
  const seen: string[] = [];
  const port = await answers((request, response) => {
    statuses.pop();
    seen.push(`${request.url} ${request.headers.authorization ?? '-'}`);
    response.end();
  });
  const tokens = [
    () => Promise.resolve('token'),
    () => Promise.reject(new Error('the control plane is away')),
    () => Promise.withResolvers<string>().promise,
  ];
  let turn = 0;
  const authorization = () => {
    turn += 1;
    return (tokens[turn - 1] ?? tokens[0])?.() ?? Promise.resolve('');
  };
  const { how } = await watch(port, hurried(), authorization, statuses);
  expect(how).toBe('aborted');
  expect(seen).toEqual([`${LIVENESS_PATH} token`, `${READINESS_PATH} -`, `${READINESS_PATH} -`]);
});
