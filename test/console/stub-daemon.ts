import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { AuditEntry } from '../../shared/api/audit.ts';
import type { Page } from '../../shared/api/contract/page.ts';
import type { DaemonStatus } from '../../shared/api/daemon.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { type FleetEvent, type LogLine, topicOf } from '../../shared/events.ts';
import { INSTANCE_PHASES, type InstancePhase } from '../../shared/instance.ts';
import type { QueueSnapshot } from '../../shared/server-frames.ts';
import { NO_TASKS } from '../../shared/task.ts';
import { BACKUP_STATUS, INACTIVE_STATUS, TRASH_STATUS } from '../helpers/backup-status.ts';
import { daemonUsage } from './fleet-fixtures.ts';

/**
 * Speaks the daemon's protocol, and nothing else: no PocketBase, no supervision. What the console is shown, a test
 * decides. Journeys use the real daemon.
 */
export class StubDaemon {
  readonly instances = new Map<string, Instance>();
  readonly logs = new Map<string, LogLine[]>();
  readonly requests: string[] = [];
  /** How an action over HTTP goes; the default answers at once that it worked. */
  onAction: (verb: string, name: string) => Promise<string | null> = async () => null;
  status: Partial<DaemonStatus> = {};
  queue: QueueSnapshot = { stats: null, tasks: [] };
  audit: AuditEntry[] = [];
  rollout: Rollout | null = null;
  /** The responses of `GET`, by path; the query is ignored. */
  readonly answers = new Map<string, unknown>();
  refuseWith: number | null = null;
  readonly #http = createServer((request, response) => void this.#answer(request, response));
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => 'fathom.v1' });
  readonly #seqs = new Map<string, number>();
  readonly #topics = new Map<WebSocket, Set<string>>();
  #address: { port: number } | { path: string } | null = null;

  constructor(instances: readonly Instance[] = []) {
    for (const instance of instances) this.instances.set(instance.name, instance);
    this.#http.on('upgrade', (request, socket, head) => {
      if (this.refuseWith !== null) {
        socket.end(`HTTP/1.1 ${this.refuseWith} Refused\r\nConnection: close\r\n\r\n`);
        return;
      }
      this.#ws.handleUpgrade(request, socket, head, (client) => this.#welcome(client));
    });
  }

  async listen(where: { path: string } | { port: number } = { port: 0 }): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen({ host: '127.0.0.1', ...where }, resolve);
    });
    const address = this.#http.address();
    this.#address =
      typeof address === 'string' ? { path: address } : address === null ? null : { port: address.port };
    return this;
  }

  get url(): string {
    if (this.#address === null || !('port' in this.#address)) throw new Error('listens on no port');
    return `http://127.0.0.1:${this.#address.port}`;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Cuts every connection, as a killed daemon does, but goes on listening. */
  cut(): void {
    for (const client of this.#ws.clients) client.terminate();
  }

  async close(): Promise<void> {
    this.cut();
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  publish(event: FleetEvent): void {
    this.#apply(event);
    const topic = topicOf(event);
    const seq = (this.#seqs.get(topic) ?? 0) + 1;
    this.#seqs.set(topic, seq);
    const frame = JSON.stringify({ type: 'event', topic, seq, event });
    for (const [client, topics] of this.#topics) if (topics.has(topic)) client.send(frame);
  }

  /** An instance enters a phase, with other changes. */
  enter(name: string, to: InstancePhase, changes: Partial<Instance> = {}): void {
    const before = this.instances.get(name);
    if (before === undefined) throw new Error(`no instance ${name}`);
    const at = new Date().toISOString();
    const instance: Instance = { ...before, phase: to, since: at, ...changes };
    this.publish({ kind: 'instance.phase', name, from: before.phase, to, at, instance });
  }

  log(name: string, text: string): void {
    this.publish({ kind: 'log.line', name, line: { at: new Date().toISOString(), text } });
  }

  /** Skips a number, as if an event had been lost on the way. */
  loseOne(topic: string): void {
    this.#seqs.set(topic, (this.#seqs.get(topic) ?? 0) + 1);
  }

  #apply(event: FleetEvent): void {
    switch (event.kind) {
      case 'audit.entry':
        this.audit.push(event.entry);
        return;
      case 'instance.added':
      case 'instance.phase':
      case 'instance.changed':
        this.instances.set(event.instance.name, event.instance);
        return;
      case 'instance.removed':
        this.instances.delete(event.name);
        return;
      case 'instance.probe':
      case 'instance.usage': {
        const known = this.instances.get(event.name);
        if (known === undefined) return;
        const part = event.kind === 'instance.probe' ? { probe: event.probe } : { usage: event.usage };
        this.instances.set(event.name, { ...known, ...part });
        return;
      }
      case 'log.line':
        this.logs.set(event.name, [...(this.logs.get(event.name) ?? []), event.line].slice(-200));
        return;
      case 'daemon.usage':
      case 'instance.moved':
      case 'instance.wake':
      case 'rollout.changed':
        return;
      case 'queue.task': {
        const others = this.queue.tasks.filter(({ id }) => id !== event.task.id);
        this.queue = { ...this.queue, tasks: [event.task, ...others] };
        return;
      }
      case 'queue.stats':
        this.queue = { ...this.queue, stats: event.stats };
    }
  }

  /** As a daemon of an earlier release. */
  refusesParts = false;
  /** Instances in a part of a snapshot. */
  partSize = 200;

  #refuse(client: WebSocket, id: number): void {
    reply(client, { type: 'error', id, code: 'request.invalid', message: 'not a frame of this protocol' });
  }

  #sendParts(client: WebSocket): void {
    const all = [...this.instances.values()];
    for (let part = 1, sent = 0; part === 1 || sent < all.length; part += 1, sent += this.partSize) {
      const seq = (this.#seqs.get('instances') ?? 0) + (part > 1 ? 1 : 0);
      this.#seqs.set('instances', seq);
      const last = sent + this.partSize >= all.length;
      const data = all.slice(sent, sent + this.partSize);
      reply(client, { type: 'snapshot', topic: 'instances', seq, part, last, data });
    }
  }

  #welcome(client: WebSocket): void {
    const topics = new Set<string>();
    this.#topics.set(client, topics);
    client.on('close', () => this.#topics.delete(client));
    client.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString('utf8')) as {
        type: string;
        id: number;
        topics?: string[];
        parts?: boolean;
      };
      if (frame.type === 'ping') return reply(client, { type: 'pong', id: frame.id });
      for (const topic of frame.topics ?? []) {
        if (frame.type === 'unsubscribe') topics.delete(topic);
        else if (topic.startsWith('logs:') && !this.instances.has(topic.slice(5))) {
          return reply(client, {
            type: 'error',
            id: frame.id,
            code: 'not_found',
            message: 'no such instance',
          });
        } else {
          topics.add(topic);
          if (frame.parts === true && topic === 'instances') {
            if (this.refusesParts) return this.#refuse(client, frame.id);
            this.#sendParts(client);
            continue;
          }
          reply(client, {
            type: 'snapshot',
            topic,
            seq: this.#seqs.get(topic) ?? 0,
            data: this.#snapshot(topic),
          });
        }
      }
      reply(client, { type: 'ok', id: frame.id });
    });
  }

  #snapshot(topic: string): unknown {
    if (topic === 'instances') return [...this.instances.values()];
    if (topic.startsWith('logs:')) return this.logs.get(topic.slice(5)) ?? [];
    if (topic === 'queue') return this.queue;
    if (topic === 'audit') return this.audit;
    const instances = Object.fromEntries(
      Array.from(this.instances.values(), ({ name, probe, usage }) => [name, { probe, usage }]),
    );
    return { daemon: daemonUsage(), instances, rollout: this.rollout };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.requests.push(`${request.method} ${path}`);
    const send = (status: number, body: unknown) =>
      response
        .writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' })
        .end(JSON.stringify(body));
    if (path === '/health') return void send(200, { status: 'ok' });
    if (path === '/api/v1/status') return void send(200, this.#status());
    const known = request.method === 'GET' ? this.answers.get(path.replace(/\?.*/, '')) : undefined;
    if (known !== undefined) return void send(200, known);
    if (path.startsWith('/api/v1/audit?')) return void send(200, this.#auditPage(path));
    const [, name, verb] =
      /^\/api\/v1\/databases\/([^/]+)\/(start|stop|restart|sleep|wake)$/.exec(path) ?? [];
    if (name === undefined || verb === undefined) {
      return void send(404, {
        title: 'Not found',
        detail: 'There is nothing here',
        code: 'not_found',
        status: 404,
      });
    }
    const refusal = await this.onAction(verb, decodeURIComponent(name));
    if (refusal === null) return void send(200, this.instances.get(name) ?? {});
    send(502, { title: 'Failed', detail: refusal, code: 'instance.failed', status: 502 });
  }

  #auditPage(path: string): Page<AuditEntry> {
    const { searchParams } = new URL(path, this.url);
    const [page, per_page] = [Number(searchParams.get('page')), Number(searchParams.get('per_page'))];
    const items = this.audit.toReversed().slice((page - 1) * per_page, page * per_page);
    return { items, page, per_page, total: this.audit.length };
  }

  #status(): DaemonStatus {
    const counts = Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, 0])) as Record<
      InstancePhase,
      number
    >;
    for (const { phase } of this.instances.values()) counts[phase] += 1;
    return {
      version: '0.1.0',
      protocol: 1,
      pid: 4711,
      started_at: new Date(Date.now() - 3_725_000).toISOString(),
      ready: true,
      waiting_for: null,
      api_url: 'http://127.0.0.1:3000',
      global_url: 'http://127.0.0.1:8090',
      data_dir: '/var/lib/fathom',
      pocketbase_version: '0.39.1',
      pocketbase_path: '/opt/pocketbase',
      exposure: { vulnerable_instances: 0, versions: [], remedy: null },
      instances: counts,
      total_instances: this.instances.size,
      mail: { configured: false, problem: null },
      sign_ups: { mode: 'open', databases: 3, max_databases: null },
      queue: { ...NO_TASKS, pending: 4, processing: 1, done: 128 },
      queue_paused: false,
      usage: daemonUsage(),
      sandbox: { level: 'full', reason: null },
      cgroup: { controllers: ['memory', 'cpu', 'pids', 'io'], reason: null },
      sockets: { held: true, reason: null },
      log: { dropped: 0, problem: null },
      backups: BACKUP_STATUS,
      alerts: { channels: [], open: 0, state_problem: null, heartbeat: null },
      trash: TRASH_STATUS,
      inactive: INACTIVE_STATUS,
      wakes: { last_hour: 0, slowest: [] },
      proxies: { trusted: 0, untrusted: null },
      permissions: ['databases.delete'],
      ...this.status,
    };
  }
}

function reply(client: WebSocket, frame: object): void {
  client.send(JSON.stringify(frame));
}
