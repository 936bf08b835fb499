import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** What strangers send: `send` resolves when the request has ended, with any response. */
export interface FloodKind {
  name: string;
  /** Requests of this kind at the same time. */
  parallel: number;
  send: (from: Stranger) => Promise<void>;
}

/** A client with a loopback address of its own, so that limits per address do not stop the honest client. */
export interface Stranger {
  address: string;
  agent: Agent;
}

export interface FloodReport {
  /** Requests of each kind. */
  sent: Record<string, number>;
}

/**
 * Sends requests of all kinds at the same time, until the time is over.
 *
 * @param options.addresses each stranger uses one of them
 */
export async function flood(
  kinds: readonly FloodKind[],
  { durationMs, addresses }: { durationMs: number; addresses: readonly string[] },
): Promise<FloodReport> {
  const strangers = addresses.map((address) => ({ address, agent: new Agent({ keepAlive: true }) }));
  const sent: Record<string, number> = {};
  const end = performance.now() + durationMs;
  const sendAll = async ({ name, send }: FloodKind, stranger: Stranger): Promise<void> => {
    while (performance.now() < end) {
      sent[name] = (sent[name] ?? 0) + 1;
      await send(stranger);
    }
  };
  try {
    let next = 0;
    await Promise.all(
      kinds.flatMap((kind) =>
        Array.from({ length: kind.parallel }, () => {
          const stranger = strangers[next++ % strangers.length];
          return stranger ? sendAll(kind, stranger) : Promise.resolve();
        }),
      ),
    );
  } finally {
    for (const { agent } of strangers) agent.destroy();
  }
  return { sent };
}

export interface Shot {
  method?: string;
  /** Different for every request, for what a server would otherwise answer from a cache. */
  path: () => string;
  headers?: Record<string, string>;
  /** JSON, unless the headers name another type. */
  body?: string | (() => string);
}

/** Requests over connections that stay open. */
export function requests(name: string, base: string, shot: Shot, parallel = 4): FloodKind {
  const { hostname, port } = new URL(base);
  const send = ({ address, agent }: Stranger): Promise<void> =>
    new Promise((resolve) => {
      const { method = 'GET', headers = {} } = shot;
      const body = typeof shot.body === 'function' ? shot.body() : shot.body;
      const contentType = body === undefined ? {} : { 'content-type': 'application/json' };
      const call = request({
        hostname,
        port,
        localAddress: address,
        agent,
        method,
        path: shot.path(),
        headers: { ...contentType, ...headers },
      });
      call.once('response', (response) => response.resume().once('close', resolve));
      // A server that refuses the connection is a result like any other.
      call.once('error', () => resolve());
      call.end(body);
    });
  return { name, parallel, send };
}

/** Requests whose body never ends: each one holds its connection until the server closes it, or until the time is over. */
export function slowBodies(
  name: string,
  base: string,
  path: string,
  options: { parallel: number; durationMs: number },
): FloodKind {
  const { hostname } = new URL(base);
  const head = `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
  return openConnections(name, base, head, options);
}

/** Connections that send a first text and then nothing, until the server closes them or the time is over. */
export function openConnections(
  name: string,
  base: string,
  first: string,
  { parallel, durationMs }: { parallel: number; durationMs: number },
): FloodKind {
  const { hostname, port } = new URL(base);
  const send = ({ address }: Stranger): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: hostname, port: Number(port), localAddress: address });
      const over = AbortSignal.timeout(durationMs);
      const close = () => socket.destroy();
      over.addEventListener('abort', close);
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.once('close', () => {
        over.removeEventListener('abort', close);
        resolve();
      });
      if (first !== '') socket.write(first);
    });
  return { name, parallel, send };
}

/** Streams that subscribe to everything again and again. */
export function streams(
  name: string,
  base: string,
  token: string,
  { parallel, durationMs }: { parallel: number; durationMs: number },
): FloodKind {
  const topics = ['instances', 'health', 'queue'];
  const send = ({ address }: Stranger): Promise<void> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${base.replace('http', 'ws')}/ws`, 'fathom.v1', {
        headers: { authorization: `Bearer ${token}` },
        localAddress: address,
      });
      const over = AbortSignal.timeout(durationMs);
      const close = () => socket.terminate();
      over.addEventListener('abort', close);
      let id = 0;
      const subscribe = () => socket.send(JSON.stringify({ type: 'subscribe', id: ++id, topics }));
      socket.once('open', () => {
        for (let count = 0; count < 10; count += 1) subscribe();
      });
      socket.on('message', (data) => {
        if ((data as Buffer).includes('"type":"ok"')) subscribe();
      });
      socket.on('error', () => {});
      socket.once('close', () => {
        over.removeEventListener('abort', close);
        resolve();
      });
    });
  return { name, parallel, send };
}

/** Calls `work` every `everyMs` until the signal aborts, and returns how long each call took. */
export async function measureEvery(
  everyMs: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<number[]> {
  const durations: number[] = [];
  while (!signal.aborted) {
    const start = performance.now();
    await work();
    durations.push(performance.now() - start);
    await pause(Math.max(0, everyMs - (performance.now() - start)), undefined, { signal }).catch(() => {});
  }
  return durations;
}

/** @param share 0.99 for the 99th percentile */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
