/**
 * Sends changes of projects: with the stream of the daemon (`fathom.v1`, `fathom.work.v1`), or with `ws` alone (`bare fathom.v1`, …),
 * which encodes each frame once and sends the same bytes to all its clients.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { Tickets } from '../../daemon/accounts/sessions/tickets.ts';
import { Counts } from '../../daemon/base/counts.ts';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { EventBus } from '../../daemon/events/bus.ts';
import type { Caller } from '../../daemon/http/caller.ts';
import type { Api } from '../../daemon/http/serve.ts';
import { jsonCodec } from '../../daemon/stream/codec.ts';
import { attachStream, type StreamDeps } from '../../daemon/stream/stream-server.ts';
import { workCodec } from '../../daemon/stream/work-codec.ts';
import type { Follower } from '../../daemon/work/feed/database-feed.ts';
import { exampleOf } from '../../shared/api/contract/endpoint.ts';
import { work } from '../../shared/api/work/endpoints.ts';
import type { WorkItemDto } from '../../shared/work/api/answers.ts';
import type { WorkEvent } from '../../shared/work/events.ts';

const TICK_MS = 10;

const [kind = '', protocol = '', clients = '', projects = '', perSecond = ''] = process.argv.slice(2);
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const item = exampleOf(work.getWorkItem.responses[200].schema) as WorkItemDto;
const send = kind === 'bare' ? sendBare() : sendByDaemon();

process.on('message', (message: { forMs: number }) => {
  let sent = 0;
  const started = performance.now();
  const timer = setInterval(() => {
    const elapsedMs = Math.min(performance.now() - started, message.forMs);
    for (; sent < (elapsedMs / 1000) * Number(perSecond); sent += 1) send(sent % Number(projects));
    if (elapsedMs < message.forMs) return;
    clearInterval(timer);
    process.send?.({ sent });
  }, TICK_MS);
});

/** A change with the time at which it was sent, in nanoseconds. */
function change(project: number): WorkEvent {
  return {
    kind: 'work_item.updated',
    id: item.id,
    project_id: String(project),
    changed: ['status'],
    actor_id: item.id,
    actor_kind: 'owner',
    at: Date.now(),
    data: { ...item, title: `sent at ${process.hrtime.bigint()} ns` },
  };
}

function sendBare(): (project: number) => void {
  const codec = protocol === 'fathom.v1' ? jsonCodec : workCodec;
  const sockets = new WebSocketServer({ server, handleProtocols: () => protocol });
  let seq = 1;
  process.send?.({
    urls: Array.from(
      { length: Number(clients) },
      (_, at) => `ws://127.0.0.1:${port}/${at % Number(projects)}`,
    ),
  });
  const ofProject = new Map<string, Set<WebSocket>>();
  sockets.on('connection', (socket, { url = '' }) => {
    const project = url.slice(1);
    ofProject.set(project, (ofProject.get(project) ?? new Set()).add(socket));
    socket.on('message', () => socket.send(''));
  });
  return (project) => {
    seq += 1;
    const topic = `work:${project}` as const;
    const data = codec.encode({ type: 'event', topic, seq, event: change(project) });
    for (const socket of ofProject.get(String(project)) ?? []) socket.send(data);
  };
}

function sendByDaemon(): (project: number) => void {
  const tickets = new Tickets<Caller>(systemClock);
  const followers = new Map<string, Set<Follower>>();
  const deps = {
    tickets,
    clock: systemClock,
    settings: { corsOrigins: [], limits: { requestsPerMinute: 1e9 } },
    bus: new EventBus(() => {}),
    log: { debug: () => {}, error: () => {} },
    trustedProxies: [],
    proxied: new Counts(),
    userLimits: { of: () => Promise.resolve({ streams: null }) },
    identities: { onChange: () => () => {}, isStillValid: () => Promise.resolve(true) },
    workFeeds: {
      follow: (_: string, project: string, follower: Follower) => {
        followers.set(project, (followers.get(project) ?? new Set()).add(follower));
        follower.reset('running');
        return { settled: Promise.resolve(), end: () => followers.get(project)?.delete(follower) };
      },
    },
  } as unknown as StreamDeps;
  attachStream({ server } as unknown as Api, deps, 'tcp');
  const expiresAt = new Date(Date.now() + 3_600_000);
  const urls = Array.from({ length: Number(clients) }, (_, at) => {
    const caller: Caller = { kind: 'session', id: 's', userId: `u${at}`, role: 'user', expiresAt, key: null };
    return `ws://127.0.0.1:${port}/ws?ticket=${tickets.issue(caller).ticket}`;
  });
  process.send?.({ urls });
  return (project) => {
    const event = change(project);
    for (const follower of followers.get(String(project)) ?? []) follower.event(event);
  };
}
