import type { WebSocket } from 'ws';
import { describeIssue } from '../../shared/api/contract/value-errors.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { type FleetEvent, type LogLine, topicOf } from '../../shared/events.ts';
import { type ClientFrame, clientFrameSchema } from '../../shared/protocol.ts';
import type { HealthSnapshot } from '../../shared/server-frames.ts';
import { scopeOf } from '../accounts/permissions.ts';
import type { AuditRepository } from '../audit/audit-repository.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Catalog } from '../databases/catalog.ts';
import { runsElsewhere } from '../databases/elsewhere/databases-elsewhere.ts';
import type { EventBus } from '../events/bus.ts';
import { type Caller, seesAll } from '../http/caller.ts';
import { logLevelOf, toFathomError } from '../http/problem.ts';
import { redactDetail, redactEvent, redactInstance } from '../http/redact.ts';
import { withTimes } from '../pocketbase/logs/log-times.ts';
import type { Queue } from '../queue/queue.ts';
import type { Fleet } from '../supervisor/fleet.ts';
import type { Monitor } from '../supervisor/health/monitor.ts';
import { DEFAULT_REQUEST_LEVEL, mergeByTime, readRequestLines } from '../supervisor/instance-logs.ts';
import { type InstanceSpec, requestLogOf } from '../supervisor/instance-spec.ts';
import type { WorkFeeds } from '../work/feed/work-feeds.ts';
import type { Codec } from './codec.ts';
import { FrameQueue } from './frame-queue.ts';
import { Outbox } from './outbox.ts';

/** Lines in the snapshot of a log. */
const LOG_SNAPSHOT_LINES = 200;
/** Entries in the snapshot of the audit log, the newest last. */
const AUDIT_SNAPSHOT_ENTRIES = 100;
const LOG_TOPIC = 'logs:';
const WORK_TOPIC = 'work:';
/** RFC 6455: data of a kind that the subprotocol does not have. */
const UNSUPPORTED_DATA = 1003;
/** Of one connection. They cannot be compared with the projects of a database that sleeps. */
const MAX_PROJECTS = 200;
/** Instances in a part of a snapshot: about 200 KB. */
const PART_INSTANCES = 200;

type SubscribeOptions = Pick<Extract<ClientFrame, { type: 'subscribe' }>, 'from' | 'parts'>;

export interface StreamConnectionDeps {
  auditRepository: AuditRepository;
  bus: EventBus;
  catalog: Catalog;
  clock: Clock;
  currentRollout: () => Rollout | null;
  fleet: Fleet;
  log: Logger;
  monitor: Monitor;
  queue: Queue;
  waitingFor: () => string | null;
  workFeeds: WorkFeeds;
}

/** One connection of the stream: its subscriptions, limited to what its caller may see. */
export class StreamConnection {
  readonly #deps: StreamConnectionDeps;
  readonly #codec: Codec;
  readonly #caller: Caller;
  readonly #awaitLimit: () => Promise<void>;
  readonly #outbox: Outbox;
  readonly #frames: FrameQueue;
  /** Functions that end the subscriptions, by topic. */
  readonly #subscriptions = new Map<string, () => void>();

  /** @param awaitLimit resolves when the rate limit allows one more subscription */
  constructor(
    socket: WebSocket,
    codec: Codec,
    caller: Caller,
    awaitLimit: () => Promise<void>,
    deps: StreamConnectionDeps,
  ) {
    this.#deps = deps;
    this.#codec = codec;
    this.#caller = caller;
    this.#awaitLimit = awaitLimit;
    this.#outbox = new Outbox(socket, codec);
    this.#frames = new FrameQueue(socket);
    socket.on('message', (data, isBinary) => {
      if (codec.isBinary && !isBinary) socket.close(UNSUPPORTED_DATA, 'send binary frames');
      else this.#receive(codec.decode(Buffer.concat([data].flat() as Buffer[]), isBinary));
    });
    socket.on('close', () => {
      for (const end of this.#subscriptions.values()) end();
      this.#subscriptions.clear();
    });
    // 'close' follows.
    socket.on('error', (error) => deps.log.debug({ err: error }, 'a stream connection failed'));
  }

  #receive(value: unknown): void {
    const frame = clientFrameSchema.safeParse(value, { error: describeIssue });
    if (!frame.success) {
      const form = this.#codec.isBinary ? 'a WebSocketMessage that clients send' : 'JSON in a text frame';
      const what = value === null ? `it must be ${form}` : messageOf(frame.error);
      const error = new FathomError('request.invalid', `not a frame of this protocol: ${what}`);
      this.#sendError(error, idOf(value), null);
      return;
    }
    const { data } = frame;
    if (data.type === 'ping') this.#outbox.send({ type: 'pong', id: data.id });
    else this.#frames.add(() => this.#changeSubscriptions(data));
  }

  async #changeSubscriptions({
    id,
    type,
    topics,
    ...frame
  }: Exclude<ClientFrame, { type: 'ping' }>): Promise<void> {
    if (this.#outbox.closed) return;
    for (const topic of topics) {
      try {
        if (type === 'unsubscribe') this.#unsubscribe(topic);
        else await this.#subscribe(topic, frame);
      } catch (error) {
        this.#sendError(error, id, topic);
        return;
      }
    }
    this.#outbox.send({ type: 'ok', id });
  }

  /** @param id of the frame of the client; null when none is the cause @param topic null when none is the cause */
  #sendError(error: unknown, id: ClientFrame['id'] | null, topic: string | null): void {
    const known = toFathomError(error);
    const level = logLevelOf(known);
    if (level !== null) this.#deps.log[level]({ err: error, topic }, 'a request of a stream failed');
    const message = redactDetail(this.#caller, known);
    this.#outbox.send({ type: 'error', id, topic, code: known.code, message });
  }

  async #subscribe(topic: string, { from, parts = false }: SubscribeOptions): Promise<void> {
    this.#unsubscribe(topic);
    await this.#awaitLimit();
    // The connection may have closed while the snapshot of an earlier topic was read.
    if (this.#outbox.closed) return;
    if (topic.startsWith(LOG_TOPIC)) await this.#subscribeToLog(topic, topic.slice(LOG_TOPIC.length), from);
    else if (topic.startsWith(WORK_TOPIC))
      await this.#subscribeToProject(topic, topic.slice(WORK_TOPIC.length));
    else if (topic === 'instances' && parts) await this.#subscribeInParts(topic);
    else if (topic === 'instances') this.#subscribeToFleet(topic, () => this.#listInstances());
    else if (topic === 'health')
      this.#subscribeToFleet(topic, () => this.#readHealth(), this.#deps.monitor.watch());
    else if (topic === 'queue') await this.#subscribeToQueue(topic);
    else if (topic === 'audit') await this.#subscribeToAudit(topic);
    else throw new FathomError('not_found', `this daemon has no topic '${topic}'`);
  }

  /** Takes the snapshot and subscribes in one turn of the event loop, so that no event is lost in between. */
  #subscribeToFleet(topic: string, snapshot: () => unknown, release?: () => void): void {
    this.#outbox.snapshot(topic, snapshot());
    this.#follow(topic, release);
  }

  /**
   * Sends the instances in several frames, so that neither side handles megabytes at once. Events follow from the first
   * part on. A part has the state at its own time: so it is newer than the events before it.
   */
  async #subscribeInParts(topic: string): Promise<void> {
    const { fleet, catalog } = this.#deps;
    let waiting: string[] = [];
    const read = (part: number) => {
      if (part === 1) {
        const own = fleet.runners(({ spec }) => this.#maySee(spec.name));
        const others = catalog.elsewhere.list(({ row }) => this.#maySee(row.name));
        waiting = [...own, ...others].map(({ spec }) => spec.name);
        this.#follow(topic);
      }
      const data = waiting.splice(0, PART_INSTANCES).flatMap((name) => {
        const listed = fleet.find(name) ?? catalog.elsewhere.listed(name);
        return listed ? [redactInstance(this.#caller, listed.state.view())] : [];
      });
      return { part, last: waiting.length === 0, data };
    };
    let part = 1;
    while ((await this.#outbox.part(topic, () => read(part))) && waiting.length > 0) part += 1;
  }

  #follow(topic: string, release?: () => void): void {
    const unsubscribe = this.#deps.bus.subscribe((event) => {
      if (topicOf(event) === topic && this.#maySeeEvent(event)) {
        this.#outbox.event(topic, redactEvent(this.#caller, event));
      }
    });
    this.#subscriptions.set(topic, () => {
      unsubscribe();
      release?.();
    });
  }

  #subscribeToQueue(topic: string): Promise<void> {
    const { watch } = this.#deps.queue;
    const read = async () => {
      const { now, stats, tasks } = await watch.snapshot();
      return {
        snapshot: {
          stats: seesAll(this.#caller, 'queue.read') ? stats : null,
          tasks: tasks.filter(({ user_id }) => this.#ownsTask(user_id)),
        },
        isNewer: (event: FleetEvent) => event.kind !== 'queue.task' || event.task.updated >= now,
      };
    };
    return this.#subscribeToStored(topic, read, watch.watch());
  }

  #subscribeToAudit(topic: string): Promise<void> {
    if (!seesAll(this.#caller, 'audit.read')) {
      throw new FathomError('auth.forbidden', 'this needs the permission audit.read');
    }
    return this.#subscribeToStored(topic, async () => {
      const { items } = await this.#deps.auditRepository.list({ page: 1, per_page: AUDIT_SNAPSHOT_ENTRIES });
      const last = items[0]?.seq ?? 0;
      return {
        snapshot: items.toReversed(),
        isNewer: (event) => event.kind === 'audit.entry' && event.entry.seq > last,
      };
    });
  }

  /**
   * Subscribes to a topic whose snapshot is read from the control plane. Events wait until the snapshot is sent, and those
   * that it contains are dropped.
   */
  async #subscribeToStored(
    topic: string,
    read: () => Promise<{ snapshot: unknown; isNewer: (event: FleetEvent) => boolean }>,
    release?: () => void,
  ): Promise<void> {
    const early: FleetEvent[] = [];
    let send = (event: FleetEvent): void => {
      early.push(event);
    };
    const unsubscribe = this.#deps.bus.subscribe((event) => {
      if (topicOf(event) === topic && this.#maySeeEvent(event)) send(event);
    });
    const end = () => {
      unsubscribe();
      release?.();
    };
    this.#subscriptions.set(topic, end);
    try {
      const { snapshot, isNewer } = await read();
      if (this.#subscriptions.get(topic) !== end) return;
      this.#outbox.snapshot(topic, snapshot);
      send = (event) => this.#outbox.event(topic, event);
      for (const event of early) if (isNewer(event)) send(event);
    } catch (error) {
      if (this.#subscriptions.get(topic) === end) this.#unsubscribe(topic);
      throw error;
    }
  }

  async #subscribeToProject(topic: string, projectId: string): Promise<void> {
    const { workFeeds } = this.#deps;
    if (this.#caller.kind === 'local')
      throw new FathomError('conflict', 'the local socket has no user account; sign in for this');
    if (scopeOf(this.#caller, 'work-items.read') === null)
      throw new FathomError('auth.forbidden', 'this needs the permission work-items.read');
    const projects = [...this.#subscriptions.keys()].filter((one) => one.startsWith(WORK_TOPIC)).length;
    if (projects >= MAX_PROJECTS)
      throw new FathomError(
        'conflict',
        `a stream follows at most ${MAX_PROJECTS} projects; open another one`,
      );
    const { settled, end } = workFeeds.follow(this.#caller.userId, projectId, {
      reset: (phase) => this.#outbox.snapshot(topic, { phase }),
      event: (event) => this.#outbox.event(topic, event),
      end: (error) => {
        this.#unsubscribe(topic);
        this.#sendError(error, null, topic);
      },
    });
    this.#subscriptions.set(topic, end);
    try {
      await settled;
    } catch (error) {
      this.#unsubscribe(topic);
      throw error;
    }
  }

  async #subscribeToLog(topic: string, name: string, from: number | undefined): Promise<void> {
    const waitingFor = this.#deps.waitingFor();
    if (waitingFor !== null && this.#deps.fleet.find(name) === null) {
      throw new FathomError('daemon.starting', `the daemon is starting: it waits for ${waitingFor}`);
    }
    if (!this.#maySee(name)) throw new FathomError('not_found', `there is no database named '${name}'`);
    const other = this.#deps.catalog.elsewhere.find(name);
    if (other !== null) throw runsElsewhere(other);
    const { spec } = this.#deps.fleet.get(name);
    const { log } = spec;
    const seesRequests = seesAll(this.#caller, 'databases.read');
    const ended = new AbortController();
    this.#subscriptions.set(topic, () => ended.abort());
    const readAt = this.#deps.clock.now();
    // A client that sends a position already has everything before it.
    const { lines, end, runs } =
      from === undefined
        ? await log.tailWithEnd(LOG_SNAPSHOT_LINES)
        : { lines: [], end: from, runs: new Map() };
    if (ended.signal.aborted) return;
    const printed = withTimes(lines, readAt).map((line, index) => ({ ...line, run: runs.get(index) }));
    const requests = from === undefined && seesRequests ? this.#failedRequests(spec, printed[0]?.at) : [];
    this.#outbox.snapshot(topic, mergeByTime(printed, requests));
    if (seesRequests) {
      void requestLogOf(spec).follow(
        DEFAULT_REQUEST_LEVEL,
        ({ at, text }) =>
          this.#outbox.event(topic, { kind: 'log.line', name, line: { at, text, source: 'requests' } }),
        { clock: this.#deps.clock, signal: ended.signal },
      );
    }
    log
      .follow(
        end,
        (line) => this.#outbox.event(topic, { kind: 'log.line', name, line }),
        ended.signal,
        // For a slow client, lines wait in the file instead of in memory.
        () => this.#outbox.drained(),
      )
      .catch((error: unknown) => this.#sendError(error, null, topic));
  }

  /** Returns failed requests since the first line of the snapshot. */
  #failedRequests(spec: InstanceSpec, since = ''): LogLine[] {
    try {
      return readRequestLines(spec, LOG_SNAPSHOT_LINES, DEFAULT_REQUEST_LEVEL).filter(
        ({ at }) => at >= since,
      );
    } catch (error) {
      return [
        { at: this.#deps.clock.now().toISOString(), text: `WARN ${messageOf(error)}`, source: 'requests' },
      ];
    }
  }

  #unsubscribe(topic: string): void {
    this.#subscriptions.get(topic)?.();
    this.#subscriptions.delete(topic);
    this.#outbox.forget(topic);
  }

  #listInstances(): Instance[] {
    const { fleet, catalog } = this.#deps;
    const others = catalog.elsewhere.list(({ row }) => this.#maySee(row.name));
    const own = fleet.list(({ spec }) => this.#maySee(spec.name));
    const all = [...own, ...others.map(({ state }) => state.view())];
    return all.map((instance) => redactInstance(this.#caller, instance));
  }

  #readHealth(): HealthSnapshot {
    const seesFleet = seesAll(this.#caller, 'stream.open');
    return {
      daemon: seesFleet ? this.#deps.monitor.usage : null,
      rollout: seesFleet ? this.#deps.currentRollout() : null,
      instances: this.#deps.fleet.health(({ spec }) => this.#maySee(spec.name)),
    };
  }

  /** Whether the caller may see this instance: operators see all, users their own. */
  #maySee(name: string): boolean {
    if (seesAll(this.#caller, 'stream.open')) return true;
    const { catalog } = this.#deps;
    return this.#owns((catalog.find(name) ?? catalog.elsewhere.find(name))?.row.user ?? null);
  }

  #owns(userId: string | null): boolean {
    return this.#caller.kind !== 'local' && userId === this.#caller.userId;
  }

  #ownsTask(userId: string | null): boolean {
    return seesAll(this.#caller, 'queue.read') || (userId !== null && this.#owns(userId));
  }

  #maySeeEvent(event: FleetEvent): boolean {
    if (event.kind === 'queue.task') return this.#ownsTask(event.task.user_id);
    if (event.kind === 'queue.stats') return seesAll(this.#caller, 'queue.read');
    if (event.kind === 'daemon.usage' || event.kind === 'rollout.changed')
      return seesAll(this.#caller, 'stream.open');
    // The permission was checked when the caller subscribed.
    if (event.kind === 'audit.entry') return true;
    // This event is published before the catalog contains the database.
    if (event.kind === 'instance.added')
      return this.#owns(event.instance.user_id) || seesAll(this.#caller, 'stream.open');
    return this.#maySee(event.name);
  }
}

/** Returns the id of an invalid frame, so that its sender knows which one was rejected. */
function idOf(frame: unknown): number | string | null {
  const id = typeof frame === 'object' && frame !== null && 'id' in frame ? frame.id : null;
  return typeof id === 'number' || (typeof id === 'string' && id.length <= 64) ? id : null;
}
