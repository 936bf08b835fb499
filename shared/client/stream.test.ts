import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { fleetOf, instance } from '../../test/console/fleet-fixtures.ts';
import { ManualClock } from '../../test/console/manual-clock.ts';
import { StubDaemon } from '../../test/console/stub-daemon.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { textWith } from '../../test/helpers/text-with.ts';
import type { FleetEvent } from '../events.ts';
import { WEBSOCKET_SUBPROTOCOL } from '../protocol.ts';
import type { SnapshotFrame } from '../server-frames.ts';
import type { Target } from './http.ts';
import { FleetStream, type StreamOptions } from './stream.ts';
import { endingOfError, type LinkState, versionRefusal } from './stream-link.ts';
import { openSocket } from './stream-socket.ts';
import { STREAM_SUBPROTOCOL } from './stream-url.ts';

const ONE = '2026-11-21-001-user001';

/** A stream with its history, and promises for what is still to come. */
class Watched {
  readonly links: LinkState[] = [];
  readonly snapshots: SnapshotFrame[] = [];
  readonly events: FleetEvent[] = [];
  readonly refusals: string[] = [];
  readonly clock = new ManualClock();
  readonly stream: FleetStream;
  readonly #waiting = new Set<() => void>();

  constructor(target: Target, { token, ...options }: Partial<StreamOptions> & { token?: string } = {}) {
    const seen =
      <T>(list: T[]) =>
      (entry: T) => {
        list.push(entry);
        for (const look of this.#waiting) look();
      };
    this.stream = new FleetStream({
      open: (listener) => openSocket({ target, token }, listener),
      topics: ['instances'],
      clock: this.clock,
      random: () => 0.5,
      onLink: seen(this.links),
      onSnapshot: seen(this.snapshots),
      onEvent: ({ event }) => seen(this.events)(event),
      onTopicRefused: (topic, message) => seen(this.refusals)(`${topic}: ${message}`),
      ...options,
    });
    this.stream.start();
    cleanups.push(() => this.stream.close());
  }

  get link(): LinkState {
    return this.stream.state;
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }

  becomes(kind: LinkState['kind']): Promise<void> {
    return this.until(() => this.link.kind === kind);
  }
}

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function daemon(instances = fleetOf(2)): Promise<StubDaemon> {
  // No other process takes the port while it is closed for a moment.
  const stub = await new StubDaemon(instances).listen({ port: await freePortRange(1) });
  cleanups.push(() => stub.close());
  return stub;
}

describe('FleetStream', () => {
  it('uses the subprotocol of the daemon', () => {
    expect(WEBSOCKET_SUBPROTOCOL).toBe(STREAM_SUBPROTOCOL);
  });

  it('is live once every topic has its snapshot, then passes events on', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url }, { topics: ['instances', 'health'] });
    await watched.becomes('live');
    expect(watched.links.map(({ kind }) => kind)).toEqual(['live']);
    expect(watched.snapshots.map(({ topic }) => topic)).toEqual(['instances', 'health']);

    stub.enter(ONE, 'unresponsive');
    await watched.until(() => watched.events.length === 1);
    expect(watched.events[0]).toMatchObject({ kind: 'instance.phase', to: 'unresponsive' });
  });

  it('stays closed when the handler of a snapshot closes it', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url }, { onSnapshot: () => watched.stream.close() });
    await watched.becomes('closed');
    expect(watched.links.map(({ kind }) => kind)).toEqual(['closed']);
  });

  it('connects through a unix socket with any path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fathom:stream-'));
    cleanups.push(() => rm(folder, { recursive: true }));
    const path = join(folder, 'fathomd.sock');
    const stub = await new StubDaemon(fleetOf(1)).listen({ path });
    cleanups.push(() => stub.close());
    const watched = new Watched({ socketPath: path });
    await watched.becomes('live');
  });

  it('sends the token in a header and never in the address', async () => {
    const server = createServer();
    cleanups.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const upgrade = once(server, 'upgrade');
    const watched = new Watched({ url: `http://127.0.0.1:${port}/` }, { token: 's3cret' });
    expect(watched.link.kind).toBe('connecting');
    const [request, socket] = await upgrade;
    expect(request.headers.authorization).toBe('Bearer s3cret');
    expect(request.url).toBe('/ws');
    socket.destroy();
  });

  it('requests a new snapshot after a gap, and applies nothing in between', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url });
    await watched.becomes('live');
    stub.loseOne('instances');
    stub.enter(ONE, 'unresponsive');
    await watched.until(() => watched.snapshots.length === 2);
    expect(watched.events).toEqual([]);
    const fresh = watched.snapshots[1];
    expect(fresh?.topic === 'instances' && fresh.data[0]?.phase).toBe('unresponsive');

    stub.enter(ONE, 'running');
    await watched.until(() => watched.events.length === 1);
    expect(watched.link.kind).toBe('live');
  });

  it('reports since when it is stale, why, and the next attempt; then it resyncs', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url });
    await watched.becomes('live');
    const lost = watched.clock.now();
    stub.cut();
    await watched.becomes('stale');
    expect(watched.link).toEqual({
      kind: 'stale',
      since: lost,
      attempt: 1,
      next_attempt_at: lost + 250,
      reason: expect.any(String),
    });
    stub.publish({ kind: 'instance.added', instance: instance('2026-11-21-003-late') });
    watched.clock.advance(250);
    await watched.becomes('live');
    expect(watched.snapshots.at(-1)?.data).toHaveLength(3);
  });

  it('backs off while no daemon answers, and never stops retrying', async () => {
    const stub = await daemon();
    const { port, url } = stub;
    await stub.close();
    const watched = new Watched({ url });
    const waits: number[] = [];
    const refused = endingOfError(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      await watched.until(
        () =>
          watched.link.kind === 'stale' &&
          watched.link.attempt === attempt &&
          watched.link.next_attempt_at !== null,
      );
      if (watched.link.kind !== 'stale' || watched.link.next_attempt_at === null)
        throw new Error('not stale');
      expect(watched.link.reason).toBe(refused.reason);
      const wait = watched.link.next_attempt_at - watched.clock.now();
      waits.push(wait);
      if (attempt < 6) watched.clock.advance(wait);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 2500, 2500]);

    const again = await new StubDaemon(fleetOf(1)).listen({ port });
    cleanups.push(() => again.close());
    watched.stream.retryNow();
    await watched.becomes('live');
  });

  it('detects a half-open connection by an unanswered ping', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    cleanups.push(() => server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    let pings = 0;
    const pinged = new Promise<void>((resolve) => {
      server.on('connection', (client) =>
        client.on('message', (data) => {
          const frame = JSON.parse((data as Buffer).toString('utf8')) as { type: string };
          if (frame.type === 'subscribe') {
            client.send(JSON.stringify({ type: 'snapshot', topic: 'instances', seq: 0, data: [] }));
          } else if (frame.type === 'ping') {
            pings += 1;
            resolve();
          }
        }),
      );
    });
    const watched = new Watched({ url: `http://127.0.0.1:${port}` });
    await watched.becomes('live');
    // Silence counts from the last that was heard.
    watched.clock.advance(6_000);
    for (const client of server.clients) {
      client.send(JSON.stringify({ type: 'snapshot', topic: 'instances', seq: 1, data: [] }));
    }
    await watched.until(() => watched.snapshots.length === 2);
    watched.clock.advance(9_999);
    expect(watched.link.kind).toBe('live');
    watched.clock.advance(1);
    await pinged;
    watched.clock.advance(5_000);
    expect(pings).toBe(1);
    expect(watched.link).toMatchObject({ kind: 'stale', reason: textWith('5 s') });
  });

  it.each([
    [401, { signIn: true, reason: textWith(401, 'FATHOM_TOKEN') }],
    [403, { signIn: false, reason: textWith(403) }],
    [426, { signIn: false, reason: versionRefusal().reason }],
  ])('is refused after status %i, with the reason', async (status, refusal) => {
    const stub = await daemon();
    stub.refuseWith = status;
    const watched = new Watched({ url: stub.url });
    await watched.becomes('refused');
    expect(watched.link).toMatchObject(refusal);
  });

  it('stops retrying for another version of the protocol', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => false });
    cleanups.push(() => server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const watched = new Watched({ url: `http://127.0.0.1:${port}` });
    await watched.becomes('refused');
    expect(watched.link).toMatchObject({ reason: versionRefusal().reason });
  });

  it('retries while the daemon is starting', async () => {
    const stub = await daemon();
    stub.refuseWith = 503;
    const watched = new Watched({ url: stub.url });
    await watched.becomes('stale');
    stub.refuseWith = null;
    watched.clock.advance(5_000);
    await watched.becomes('live');
  });

  it('reports an invalid address as a final refusal', () => {
    const watched = new Watched({ url: 'nonsense' });
    expect(watched.link.kind).toBe('refused');
  });

  it('is live after the last part of a snapshot', async () => {
    const stub = await daemon(fleetOf(5));
    stub.partSize = 2;
    const watched = new Watched({ url: stub.url }, { parts: true });
    await watched.becomes('live');
    const parts = watched.snapshots.map((frame) => ('part' in frame ? [frame.part, frame.last] : null));
    expect(parts).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    stub.enter(ONE, 'unresponsive');
    await watched.until(() => watched.events.length === 1);
  });

  it('asks a daemon that knows no parts for a whole snapshot', async () => {
    const stub = await daemon();
    stub.refusesParts = true;
    const watched = new Watched({ url: stub.url }, { parts: true });
    await watched.becomes('live');
    expect(watched.snapshots).toHaveLength(1);
    expect(watched.refusals).toEqual([]);
  });

  it('stays live when one topic is refused, and reports it', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url });
    await watched.becomes('live');
    watched.stream.subscribe('logs:nobody');
    await watched.until(() => watched.refusals.length === 1);
    expect(watched.refusals).toEqual(['logs:nobody: no such instance']);
    expect(watched.link.kind).toBe('live');
  });

  it('subscribes after a reconnection to the current topics', async () => {
    const stub = await daemon();
    stub.log(ONE, 'first');
    const watched = new Watched({ url: stub.url });
    await watched.becomes('live');
    watched.stream.subscribe('health');
    stub.cut();
    await watched.becomes('stale');
    watched.stream.unsubscribe('health');
    watched.stream.subscribe(`logs:${ONE}`);
    watched.snapshots.length = 0;
    watched.clock.advance(5_000);
    await watched.becomes('live');
    expect(watched.snapshots.map(({ topic }) => topic)).toEqual(['instances', `logs:${ONE}`]);
  });

  it('closes the connection after an invalid frame', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    cleanups.push(() => server.close());
    await once(server, 'listening');
    server.on('connection', (client) => client.send('<html>'));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const watched = new Watched({ url: `http://127.0.0.1:${port}` });
    await watched.becomes('stale');
  });

  it('can be closed twice before it is live, and stays closed', async () => {
    const stub = await daemon();
    const watched = new Watched({ url: stub.url });
    watched.stream.close();
    watched.stream.close();
    watched.stream.start();
    watched.stream.subscribe('health');
    watched.clock.advance(60_000);
    expect(watched.links).toEqual([{ kind: 'closed' }]);
  });
});
