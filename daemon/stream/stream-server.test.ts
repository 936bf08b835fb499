import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { until } from '../../test/helpers/until.ts';
import { Tickets } from '../accounts/sessions/tickets.ts';
import { Counts } from '../base/counts.ts';
import { DatabasesElsewhere } from '../databases/elsewhere/databases-elsewhere.ts';
import { EventBus, type FleetListener } from '../events/bus.ts';
import type { Caller } from '../http/caller.ts';
import type { Api } from '../http/serve.ts';
import { attachStream, type StreamDeps } from './stream-server.ts';

const HEARTBEAT_MS = 30_000;

/** Counts its listeners. */
class CountedBus extends EventBus {
  listeners = 0;

  override subscribe(listener: FleetListener): () => void {
    this.listeners += 1;
    const unsubscribe = super.subscribe(listener);
    return () => {
      this.listeners -= 1;
      unsubscribe();
    };
  }
}

/** A stream without the rest of the daemon, for one account that the test changes. */
async function streamOf(account: { is_active: boolean; role: 'user' | 'admin' }) {
  const time = new ManualTime();
  const tickets = new Tickets<Caller>(time);
  const roleAtFirst = account.role;
  const state = {
    account: account as typeof account | null,
    lookUps: 0,
    views: 0,
    fails: false,
    connected: false,
    bus: new CountedBus(() => {}),
  };
  const names = Array.from({ length: 1_000 }, (_, at) => `i${at}`);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const deps = {
    tickets,
    clock: time,
    settings: { corsOrigins: [], limits: { requestsPerMinute: 1000 } },
    bus: state.bus,
    auditRepository: {
      list: () => (state.fails ? Promise.reject(new Error('away')) : Promise.resolve({ items: [] })),
    },
    log: { debug: () => {}, error: () => {} },
    trustedProxies: [],
    proxied: new Counts(),
    fleet: {
      list: (matches: (runner: object) => boolean) => {
        const found = names.map((name) => ({ spec: { name } })).filter(matches);
        state.views += found.length;
        return found.map(({ spec }) => ({ name: spec.name, reason: null }));
      },
      runners: (matches: (runner: object) => boolean) =>
        names.map((name) => ({ spec: { name } })).filter(matches),
      // One of them is removed while its part is waiting.
      find: (name: string) => (name === 'i999' ? null : { state: { view: () => ({ name, reason: null }) } }),
    },
    // The caller owns one of them.
    catalog: {
      find: (name: string) => ({ row: { user: name === 'i7' ? 'a' : 'other' } }),
      elsewhere: new DatabasesElsewhere(new ManualTime()),
    },
    userLimits: { of: () => Promise.resolve({ streams: null }) },
    identities: {
      onChange: () => () => {},
      isStillValid: ({ role }: { role: string }) => {
        if (!state.connected) return Promise.resolve(true);
        state.lookUps += 1;
        if (state.fails) return Promise.reject(new Error('away'));
        return Promise.resolve(state.account?.is_active === true && state.account.role === role);
      },
    },
  } as unknown as StreamDeps;
  const close = attachStream({ server } as unknown as Api, deps, 'tcp');
  onTestFinished(() => {
    close();
    server.close();
  });
  const connect = async (options: { autoPong?: boolean } = {}) => {
    const expiresAt = new Date(time.now().getTime() + 3_600_000);
    const caller = {
      kind: 'session',
      id: 's',
      userId: 'a',
      role: roleAtFirst,
      expiresAt,
      key: null,
    } as const;
    const { ticket } = tickets.issue(caller);
    const { port } = server.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?ticket=${ticket}`, 'fathom.v1', options);
    let pings = 0;
    socket.on('ping', () => {
      pings += 1;
    });
    const closed = once(socket, 'close').then(([code]) => code as number);
    await once(socket, 'open');
    state.connected = true;
    return { socket, closed, pings: () => pings };
  };
  return { time, state, connect };
}

it('disconnects a client that has not answered a ping when the next one is due', async () => {
  const { time, connect } = await streamOf({ is_active: true, role: 'user' });
  const [alive, silent] = [await connect(), await connect({ autoPong: false })];
  await time.advance(HEARTBEAT_MS);
  await until(() => alive.pings() === 1 && silent.pings() === 1, { what: 'the first pings' });
  // The pong arrives before the frame that is sent next.
  alive.socket.send('{}');
  await once(alive.socket, 'message');
  await time.advance(HEARTBEAT_MS);
  expect(await silent.closed).toBe(1006);
  await until(() => alive.pings() === 2, { what: 'the second ping' });
  expect(alive.socket.readyState).toBe(WebSocket.OPEN);
});

it('closes the stream of a deactivated, changed or deleted account, but not during an outage', async () => {
  for (const changed of [{ is_active: false, role: 'user' }, { is_active: true, role: 'admin' }, null]) {
    const { time, state, connect } = await streamOf({ is_active: true, role: 'user' });
    const reader = await connect();
    state.fails = true;
    await time.advance(HEARTBEAT_MS);
    await until(() => state.lookUps === 1 && reader.pings() === 1, { what: 'the first check' });
    expect(reader.socket.readyState).toBe(WebSocket.OPEN);
    reader.socket.send('{}');
    await once(reader.socket, 'message');
    Object.assign(state, { fails: false, account: changed });
    await time.advance(HEARTBEAT_MS);
    expect(await reader.closed).toBe(1008);
  }
});

it('ends the subscription to a topic whose snapshot cannot be read, and accepts it again', async () => {
  const { state, connect } = await streamOf({ is_active: true, role: 'admin' });
  const { socket } = await connect();
  const ask = async () => {
    socket.send(JSON.stringify({ type: 'subscribe', id: 1, topics: ['audit'] }));
    const [data] = (await once(socket, 'message')) as [Buffer];
    return JSON.parse(data.toString()) as unknown;
  };
  state.fails = true;
  const refused = await ask();
  expect(refused).toMatchObject({ type: 'error', id: 1, topic: 'audit', code: 'internal' });
  // Only the log has the cause.
  expect(JSON.stringify(refused)).not.toContain('away');
  expect(state.bus.listeners).toBe(0);
  state.fails = false;
  expect(await ask()).toMatchObject({ type: 'snapshot', topic: 'audit' });
  expect(state.bus.listeners).toBe(1);
});

it('builds few views for one account, however many streams and subscriptions it asks for', async () => {
  const { state, connect } = await streamOf({ is_active: true, role: 'user' });
  const streams = await Promise.all(Array.from({ length: 20 }, () => connect()));
  let answers = 0;
  for (const { socket } of streams) {
    socket.on('message', () => {
      answers += 1;
    });
    for (let id = 1; id <= 1_000; id += 1) {
      socket.send(JSON.stringify({ type: 'subscribe', id, topics: ['instances'] }));
    }
  }
  // A tenth of the requests per minute. Time does not pass, so the other subscriptions wait.
  const allowed = 100;
  await until(() => answers >= 2 * allowed, { what: 'the snapshots and their confirmations' });
  expect(state.views).toBe(allowed);
});

it('sends the instances in parts to a client that asks for it, then events without a gap', async () => {
  const { state, connect } = await streamOf({ is_active: true, role: 'admin' });
  const { socket } = await connect();
  const frames: { type: string; seq: number; part: number; last: boolean; data: { name: string }[] }[] = [];
  socket.on('message', (data) => frames.push(JSON.parse((data as Buffer).toString())));
  socket.send(JSON.stringify({ type: 'subscribe', id: 1, topics: ['instances'], parts: true }));
  await until(() => frames.some(({ type }) => type === 'ok'), { what: 'the confirmation' });
  state.bus.publish({ kind: 'instance.wake', name: 'i1', by: 'task', at: '' });
  await until(() => frames.some(({ type }) => type === 'event'), { what: 'the event' });
  const parts = frames.filter(({ type }) => type === 'snapshot');
  expect(parts.map(({ part, last, seq }) => [part, last, seq])).toEqual(
    [1, 2, 3, 4, 5].map((part) => [part, part === 5, part]),
  );
  expect(parts.flatMap(({ data }) => data.map(({ name }) => name))).toEqual(
    Array.from({ length: 999 }, (_, at) => `i${at}`),
  );
  expect(frames.find(({ type }) => type === 'event')?.seq).toBe(6);
});
