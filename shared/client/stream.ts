import { fullJitterMs } from '../backoff.ts';
import type { Topic } from '../events.ts';
import type {
  ErrorFrame,
  EventFrame,
  ServerFrame,
  SnapshotFrame,
  WorkFrame,
  WorkTopic,
} from '../server-frames.ts';
import { type StreamClock, systemClock } from './stream-clock.ts';
import type { OpenSocket, SocketListener, StreamSocket } from './stream-connection.ts';
import { parseServerFrame } from './stream-frames.ts';
import type { Ending, LinkState } from './stream-link.ts';
import { StreamTimers } from './stream-timers.ts';
import { TopicTracker } from './stream-topics.ts';

/** With jitter, so that the consoles of a restarted daemon do not all reconnect at the same time. */
const RECONNECT = { baseMs: 500, capMs: 5_000 };

export type StreamTopic = Topic | WorkTopic;

export interface StreamOptions {
  /** Called for each connection. */
  open: OpenSocket;
  topics: readonly StreamTopic[];
  /** For a log: the position after the last handled line; undefined requests a snapshot. */
  from?(topic: StreamTopic): number | undefined;
  /** Snapshots of the instances come in parts. Ignored by a daemon that does not know them. */
  parts?: boolean;
  onLink(state: LinkState): void;
  onSnapshot(frame: SnapshotFrame): void;
  onEvent(frame: EventFrame): void;
  /** Snapshots and changes of projects; `onSnapshot` and `onEvent` get those of the other topics. */
  onProject?(frame: WorkFrame): void;
  /** The daemon refused a topic. */
  onTopicRefused?(topic: StreamTopic, message: string, code: string): void;
  clock?: StreamClock;
  /** In [0, 1). */
  random?: () => number;
  /** Milliseconds: between pings, until a pong, and until a new connection has its first snapshots. */
  pingEvery?: number;
  pongWithin?: number;
  liveWithin?: number;
}

/**
 * The stream of a daemon, with automatic reconnection: a snapshot, then events in sequence, and a new snapshot after each gap
 * or reconnection. Methods never throw; errors become a `LinkState`.
 */
export class FleetStream {
  readonly #options: StreamOptions;
  readonly #clock: StreamClock;
  readonly #random: () => number;
  readonly #topics: Set<StreamTopic>;
  readonly #tracker = new TopicTracker();
  readonly #requests = new Map<number, StreamTopic>();
  readonly #timers: StreamTimers;
  #socket: StreamSocket | null = null;
  #state: LinkState = { kind: 'connecting' };
  #staleSince: number | null = null;
  #attempt = 0;
  #requestId = 0;
  /** False for a daemon of an earlier release. */
  #hasParts = true;
  #heardAt = 0;
  #pinged = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#timers = new StreamTimers(this.#clock);
    this.#random = options.random ?? Math.random;
    this.#topics = new Set(options.topics);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Connects. Further calls have no effect. */
  start(): void {
    if (this.#socket === null && this.#state.kind === 'connecting') this.#connect();
  }

  /** Subscribes to a topic. A topic that is subscribed already gets a new snapshot. */
  subscribe(topic: StreamTopic): void {
    this.#topics.add(topic);
    if (this.#socket?.isOpen) this.#ask(topic);
  }

  unsubscribe(topic: StreamTopic): void {
    this.#tracker.forget(topic);
    if (this.#topics.delete(topic)) this.#send({ type: 'unsubscribe', id: this.#nextId(), topics: [topic] });
  }

  /** Reconnects immediately; after a refusal, with the current token. */
  retryNow(): void {
    const state = this.#state;
    const waits = state.kind === 'stale' && state.next_attempt_at !== null;
    if (waits || (state.kind === 'refused' && state.signIn)) this.#connect();
  }

  /** Closes the stream for good. May be called more than once. */
  close(): void {
    if (this.#state.kind === 'closed') return;
    this.#drop(1000);
    this.#enter({ kind: 'closed' });
  }

  #connect(): void {
    this.#timers.stop();
    if (this.#staleSince !== null) this.#enterStale(this.#reason(), null);
    // A former connection may report late.
    const isCurrent = () => this.#socket === socket;
    const socket = this.#open({
      opened: () => isCurrent() && this.#opened(),
      received: (text) => isCurrent() && this.#received(text),
      ended: (ending) => isCurrent() && this.#ended(ending),
    });
    if (socket === null) return;
    this.#socket = socket;
    this.#awaitLive();
  }

  /** Ends the connection if no snapshot comes for some time. */
  #awaitLive(): void {
    const patience = this.#options.liveWithin ?? 10_000;
    this.#timers.set('live', patience, () =>
      this.#ended({ final: false, reason: `the daemon sent no snapshot within ${patience / 1000} s` }),
    );
  }

  #open(listener: SocketListener): StreamSocket | null {
    try {
      return this.#options.open(listener);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#ended({ final: true, reason: `the daemon's address cannot be used: ${reason}` });
      return null;
    }
  }

  #opened(): void {
    this.#tracker.clear();
    this.#requests.clear();
    for (const topic of this.#topics) this.#ask(topic);
    this.#heardAt = this.#clock.now();
    this.#schedulePing();
    this.#settle();
  }

  #ask(topic: StreamTopic): void {
    const id = this.#nextId();
    this.#tracker.await(topic);
    // One frame per topic, so that an error belongs to one topic.
    this.#requests.set(id, topic);
    const parts = this.#asksForParts(topic) ? true : undefined;
    this.#send({ type: 'subscribe', id, topics: [topic], from: this.#options.from?.(topic), parts });
  }

  #asksForParts(topic: StreamTopic): boolean {
    return this.#options.parts === true && this.#hasParts && topic === 'instances';
  }

  #received(text: string): void {
    const frame = parseServerFrame(text);
    if (frame === null) {
      this.#ended({ final: false, reason: 'the daemon sent an invalid frame' });
      return;
    }
    // Any frame shows that the daemon is alive. No timer is restarted for it: thousands of frames may arrive per second.
    this.#heardAt = this.#clock.now();
    if (this.#pinged) this.#schedulePing();
    this.#dispatch(frame);
  }

  #dispatch(frame: ServerFrame): void {
    switch (frame.type) {
      case 'snapshot': {
        const verdict = this.#tracker.snapshot(frame.topic, frame.seq, 'part' in frame ? frame : {});
        if (verdict === 'apply') this.#apply(frame);
        else if (verdict === 'gap') this.#ask(frame.topic);
        // The handler may have closed the stream.
        if (this.#socket === null) return;
        // A large fleet takes its time over a slow link.
        if (this.#state.kind !== 'live') this.#awaitLive();
        this.#settle();
        return;
      }
      case 'event': {
        const verdict = this.#tracker.event(frame.topic, frame.seq);
        if (verdict === 'apply') this.#apply(frame);
        else if (verdict === 'gap') this.#ask(frame.topic as StreamTopic);
        return;
      }
      case 'error':
        this.#refused(frame);
        return;
      case 'ok':
        this.#requests.delete(Number(frame.id));
        return;
      case 'pong':
    }
  }

  #apply(frame: SnapshotFrame | EventFrame | WorkFrame): void {
    if (isOfProject(frame)) this.#options.onProject?.(frame);
    else if (frame.type === 'snapshot') this.#options.onSnapshot(frame);
    else this.#options.onEvent(frame);
  }

  /** The frame of a subscription that has ended has no id. */
  #refused({ id, topic: ended, message, code }: ErrorFrame): void {
    const topic = this.#requests.get(Number(id)) ?? (id === null ? this.#followed(ended) : undefined);
    if (topic === undefined) return;
    this.#requests.delete(Number(id));
    if (code === 'request.invalid' && this.#asksForParts(topic)) {
      this.#hasParts = false;
      this.#ask(topic);
      return;
    }
    this.#tracker.refuse(topic);
    this.#options.onTopicRefused?.(topic, message, code);
    this.#settle();
  }

  #followed(topic: string | null | undefined): StreamTopic | undefined {
    return Array.from(this.#topics).find((one) => one === topic);
  }

  #settle(): void {
    if (this.#state.kind === 'live' || !this.#tracker.settled) return;
    this.#timers.cancel('live');
    this.#staleSince = null;
    // Back-off continues if the connection breaks shortly after each snapshot.
    this.#timers.set('stable', 5_000, () => {
      this.#attempt = 0;
    });
    this.#enter({ kind: 'live', since: this.#clock.now() });
  }

  /** Detects a half-open connection: it looks like a quiet fleet, but does not answer a ping. */
  #schedulePing(wait = this.#pingEvery): void {
    this.#pinged = false;
    this.#timers.cancel('pong');
    this.#timers.set('ping', wait, () => {
      const silent = this.#clock.now() - this.#heardAt;
      // Negative: the clock was set back meanwhile.
      if (silent >= 0 && silent < this.#pingEvery) return this.#schedulePing(this.#pingEvery - silent);
      this.#pinged = true;
      const patience = this.#options.pongWithin ?? 5_000;
      this.#send({ type: 'ping', id: this.#nextId() });
      this.#timers.set('pong', patience, () =>
        this.#ended({ final: false, reason: `the daemon has not answered for ${patience / 1000} s` }),
      );
    });
  }

  get #pingEvery(): number {
    return this.#options.pingEvery ?? 10_000;
  }

  #ended({ final, reason, signIn = false }: Ending): void {
    this.#drop();
    if (final) {
      this.#enter({ kind: 'refused', reason, signIn });
      return;
    }
    this.#attempt += 1;
    const delay = fullJitterMs(this.#attempt, RECONNECT, this.#random);
    this.#timers.set('retry', delay, () => this.#connect());
    this.#enterStale(reason, this.#clock.now() + delay);
  }

  #enterStale(reason: string, nextAttemptAt: number | null): void {
    this.#staleSince ??= this.#clock.now();
    this.#enter({
      kind: 'stale',
      since: this.#staleSince,
      attempt: this.#attempt,
      next_attempt_at: nextAttemptAt,
      reason,
    });
  }

  #reason(): string {
    return this.#state.kind === 'stale' ? this.#state.reason : 'the connection broke';
  }

  #enter(state: LinkState): void {
    this.#state = state;
    this.#options.onLink(state);
  }

  #drop(code?: number): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#tracker.clear();
    this.#timers.stop();
    socket?.close(code);
  }

  #send(frame: object): void {
    if (this.#socket?.isOpen) this.#socket.send(JSON.stringify(frame));
  }

  #nextId(): number {
    this.#requestId += 1;
    return this.#requestId;
  }
}

function isOfProject(frame: { topic: string }): frame is WorkFrame {
  return frame.topic.startsWith('work:');
}
