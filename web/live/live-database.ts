import type { Instance } from '../../shared/api/instances.ts';
import { fullJitterMs } from '../../shared/backoff.ts';
import type { FathomClient } from '../../shared/client/client-methods.ts';
import { systemClock } from '../../shared/client/stream-clock.ts';
import { parseServerFrame } from '../../shared/client/stream-frames.ts';
import { StreamTimers } from '../../shared/client/stream-timers.ts';
import { TopicTracker } from '../../shared/client/stream-topics.ts';
import type { FleetEvent, LogLine } from '../../shared/events.ts';
import type { ServerFrame, SnapshotFrame } from '../../shared/server-frames.ts';

const SUBPROTOCOL = 'fathom.v1';
const TOPICS = ['instances', 'health'] as const;
const RECONNECT = { baseMs: 500, capMs: 10_000 };
/** A script cannot see pings of the daemon, so it sends its own. */
const PING_MS = 20_000;
const PONG_WITHIN_MS = 10_000;

/** Lines that are kept of a log. */
const LOG_LINES = 500;
const LOG_TOPIC = 'logs:';
const QUEUE_TOPIC = 'queue';
/** Of the topic of a screen. */
const FOLLOW_REQUEST = 3;
/** Tasks may change many times in a second. */
const TASKS_CHANGED_MS = 1_000;

export interface ShownLine {
  /** Counts up, as long as the log is followed. */
  id: number;
  at: string;
  text: string;
}

export interface LiveState {
  /** `lost`: what is shown may be old; the page connects again. */
  link: 'connecting' | 'live' | 'lost';
  /** Null when the account has no database. */
  instance: Instance | null;
  /** The last lines of the log that is followed; null until they are known. */
  log: readonly ShownLine[] | null;
  /** Counts up when tasks of the owner have changed, while they are followed. */
  taskChanges: number;
}

/** The state of the database of a user, from the stream of the daemon. It connects again after every loss. */
export class LiveDatabase {
  readonly #base: string;
  readonly #client: FathomClient;
  readonly #userId: string | null;
  readonly #listeners = new Set<() => void>();
  readonly #tracker = new TopicTracker();
  readonly #timers = new StreamTimers(systemClock);
  #state: LiveState = { link: 'connecting', instance: null, log: null, taskChanges: 0 };
  #socket: WebSocket | null = null;
  /** What the screen follows beside the database. */
  #followed: string | null = null;
  #lines = 0;
  #attempt = 0;
  #isOpen = false;

  constructor(base: string, client: FathomClient, userId: string | null) {
    this.#base = base;
    this.#client = client;
    this.#userId = userId;
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Connects with the first listener, and closes with the last. An arrow function, because React calls it alone. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (!this.#isOpen) this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  };

  /** Follows the log of a database. An arrow function, because screens call it alone. @returns the function that ends it */
  readonly followLog = (name: string): (() => void) => {
    this.#enter({ log: null });
    const end = this.#followTopic(`${LOG_TOPIC}${name}`);
    return () => {
      end();
      this.#enter({ log: null });
    };
  };

  /** Follows the tasks of the owner. An arrow function, because screens call it alone. @returns the function that ends it */
  readonly followTasks = (): (() => void) => this.#followTopic(QUEUE_TOPIC);

  #followTopic(topic: string): () => void {
    this.#followed = topic;
    // Otherwise it is asked for when the connection opens.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#ask(topic, FOLLOW_REQUEST);
    return () => {
      this.#followed = null;
      this.#tracker.forget(topic);
      this.#timers.cancel('tasks');
      this.#send({ type: 'unsubscribe', id: FOLLOW_REQUEST + 1, topics: [topic] });
    };
  }

  #open(): void {
    this.#isOpen = true;
    document.addEventListener('visibilitychange', this.#returned);
    addEventListener('online', this.#returned);
    void this.#connect();
  }

  #close(): void {
    this.#isOpen = false;
    document.removeEventListener('visibilitychange', this.#returned);
    removeEventListener('online', this.#returned);
    this.#drop();
  }

  /** A phone that was locked does not wait for the next attempt. */
  readonly #returned = (): void => {
    if (document.visibilityState === 'visible' && this.#socket === null) void this.#connect();
  };

  async #connect(): Promise<void> {
    this.#drop();
    try {
      const { ticket } = await this.#client.auth.ticket();
      if (!this.#isOpen || this.#socket !== null) return;
      const url = new URL('ws', this.#base);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      url.searchParams.set('ticket', ticket);
      this.#follow(new WebSocket(url, SUBPROTOCOL));
    } catch {
      // A session that has ended is forgotten by the client, and this page closes.
      this.#lost();
    }
  }

  #follow(socket: WebSocket): void {
    this.#socket = socket;
    socket.addEventListener('open', () => {
      // It was dropped before it opened.
      if (this.#socket !== socket) return socket.close();
      if (this.#userId !== null) for (const [id, topic] of TOPICS.entries()) this.#ask(topic, id);
      if (this.#followed !== null) this.#ask(this.#followed, FOLLOW_REQUEST);
      this.#awaitFrame();
    });
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket === socket) this.#received(String(data));
    });
    socket.addEventListener('close', () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #ask(topic: string, id: number): void {
    this.#tracker.await(topic);
    this.#send({ type: 'subscribe', id, topics: [topic] });
  }

  #received(text: string): void {
    this.#awaitFrame();
    const frame = parseServerFrame(text);
    if (frame?.type === 'error' && frame.id === FOLLOW_REQUEST && this.#followed !== null) {
      this.#tracker.refuse(this.#followed);
      this.#enter({ log: [] });
    }
    if (frame?.type === 'snapshot' || frame?.type === 'event') this.#apply(frame);
    if (this.#state.link !== 'live' && this.#tracker.settled) {
      this.#attempt = 0;
      this.#enter({ link: 'live' });
    }
  }

  #apply(frame: Extract<ServerFrame, { topic: string }>): void {
    const verdict =
      frame.type === 'snapshot'
        ? this.#tracker.snapshot(frame.topic, frame.seq)
        : this.#tracker.event(frame.topic, frame.seq);
    if (verdict === 'gap') this.#ask(frame.topic, TOPICS.length);
    if (verdict !== 'apply') return;
    if (frame.topic.startsWith(LOG_TOPIC)) return this.#applyLog(frame);
    if (frame.topic === QUEUE_TOPIC) return this.#applyTasks(frame);
    const { instance } = this.#state;
    const next =
      frame.type === 'snapshot'
        ? afterSnapshot(instance, frame, this.#userId)
        : afterEvent(instance, frame.event, this.#userId);
    if (next !== instance) this.#enter({ instance: next });
  }

  #applyLog(frame: Extract<ServerFrame, { topic: string }>): void {
    const isSnapshot = frame.type === 'snapshot';
    const lines = isSnapshot
      ? (frame.data as readonly LogLine[])
      : frame.event.kind === 'log.line'
        ? [frame.event.line]
        : [];
    const added = lines.map(({ at, text }) => {
      this.#lines += 1;
      return { id: this.#lines, at, text };
    });
    const former = isSnapshot ? [] : (this.#state.log ?? []);
    this.#enter({ log: [...former, ...added].slice(-LOG_LINES) });
  }

  #applyTasks(frame: Extract<ServerFrame, { topic: string }>): void {
    const isOwn =
      frame.type === 'snapshot' ||
      (frame.event.kind === 'queue.task' && frame.event.task.user_id === this.#userId);
    if (!isOwn || this.#timers.has('tasks')) return;
    this.#timers.set('tasks', TASKS_CHANGED_MS, () =>
      this.#enter({ taskChanges: this.#state.taskChanges + 1 }),
    );
  }

  /** Detects a connection that is gone without a close. */
  #awaitFrame(): void {
    this.#timers.cancel('pong');
    this.#timers.set('ping', PING_MS, () => {
      this.#send({ type: 'ping', id: TOPICS.length });
      this.#timers.set('pong', PONG_WITHIN_MS, () => this.#lost());
    });
  }

  #lost(): void {
    this.#drop();
    if (!this.#isOpen) return;
    this.#attempt += 1;
    this.#timers.set(
      'retry',
      fullJitterMs(this.#attempt, RECONNECT, Math.random),
      () => void this.#connect(),
    );
    // A renewed session ends the stream, which is no loss if the next attempt succeeds.
    if (this.#attempt > 1) this.#enter({ link: 'lost' });
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#timers.stop();
    this.#tracker.clear();
    // Browsers report a close before the open as a failure.
    if (socket?.readyState !== WebSocket.CONNECTING) socket?.close();
  }

  #send(frame: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #enter(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function afterSnapshot(
  instance: Instance | null,
  frame: SnapshotFrame,
  userId: string | null,
): Instance | null {
  if (frame.topic === 'instances') return frame.data.find(({ user_id }) => user_id === userId) ?? null;
  if (frame.topic !== 'health' || instance === null) return instance;
  return { ...instance, usage: frame.data.instances[instance.name]?.usage ?? instance.usage };
}

function afterEvent(instance: Instance | null, event: FleetEvent, userId: string | null): Instance | null {
  switch (event.kind) {
    case 'instance.added':
    case 'instance.phase':
    case 'instance.changed':
      // Roles that see all databases get events of all.
      return event.instance.user_id === userId ? event.instance : instance;
    case 'instance.removed':
      return event.name === instance?.name ? null : instance;
    case 'instance.usage':
      return event.name === instance?.name ? { ...instance, usage: event.usage } : instance;
    default:
      return instance;
  }
}
