import type { WebSocket } from 'ws';
import { coalesceKey, type FleetEvent } from '../../shared/events.ts';
import type { ServerFrame, SnapshotPart } from '../../shared/server-frames.ts';
import type { WorkEvent } from '../../shared/work/events.ts';
import { type Codec, jsonCodec, type StreamFrame } from './codec.ts';

/** Unsent bytes of the socket beyond which events wait here and are coalesced. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Unsent bytes beyond which the connection is closed. Responses and snapshots never wait, so only this limits them. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
/** Snapshots of thousands of databases are larger than that limit. One of each topic does not count, until it is sent. */
const FLEET_TOPICS: ReadonlySet<string> = new Set(['instances', 'health']);
/** Waiting events of one client beyond which the connection is closed; the client reconnects and gets a new snapshot. */
const MAX_WAITING = 5_000;
/** RFC 6455 registry: "Try Again Later". */
const TRY_AGAIN_LATER = 1013;

type StreamEvent = FleetEvent | WorkEvent;

interface WaitingEvent {
  topic: string;
  event: StreamEvent;
}

/**
 * Sends frames to one client. A slow client does not grow the daemon's memory: a newer event replaces a waiting one with the
 * same key. Events are numbered when they are sent, so the sequence has no gaps.
 */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #codec: Codec;
  readonly #sequences = new Map<string, number>();
  readonly #waiting = new Map<string, WaitingEvent>();
  readonly #drained = new Set<() => void>();
  #unkeyed = 0;
  #unsentBytes = 0;
  /** Bytes of unsent snapshots that do not count, by topic. */
  readonly #uncounted = new Map<string, number>();
  #closed = false;

  constructor(socket: WebSocket, codec: Codec = jsonCodec) {
    this.#socket = socket;
    this.#codec = codec;
    socket.once('close', () => this.#close());
  }

  /** Nothing is sent any more: the client has disconnected or was too slow. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a response or an error. */
  send(frame: ServerFrame): void {
    this.#write(frame);
  }

  /** Sends the state of a topic. Waiting events of the topic are dropped, because the snapshot contains them. */
  snapshot(topic: string, data: unknown): void {
    this.forget(topic);
    const frame = { type: 'snapshot', topic, seq: this.#next(topic), data } as ServerFrame;
    this.#write(frame, FLEET_TOPICS.has(topic) && !this.#uncounted.has(topic) ? topic : null);
  }

  /**
   * Sends one part of a snapshot after the events before it, because it may be newer than these. Resolves with false when
   * nothing can be sent any more.
   *
   * @param read called when it is sent
   */
  async part(topic: string, read: () => { data: unknown } & SnapshotPart): Promise<boolean> {
    await this.drained();
    if (this.#closed) return false;
    this.#write({ type: 'snapshot', topic, seq: this.#next(topic), ...read() } as ServerFrame);
    return true;
  }

  event(topic: string, event: StreamEvent): void {
    if (this.#closed) return;
    if (this.#waiting.size === 0 && this.#unsentBytes < HIGH_WATER_BYTES) {
      this.#writeEvent(topic, event);
      return;
    }
    const key = 'project_id' in event ? null : coalesceKey(event);
    if (key === null) this.#unkeyed += 1;
    this.#waiting.set(key === null ? `#${this.#unkeyed}` : `${topic} ${key}`, { topic, event });
    if (this.#waiting.size > MAX_WAITING) this.#disconnect();
  }

  forget(topic: string): void {
    for (const [key, waiting] of this.#waiting) if (waiting.topic === topic) this.#waiting.delete(key);
  }

  /** Resolves when no events wait, or after the close. A source that can pause calls this before it sends more. */
  async drained(): Promise<void> {
    while (!this.#closed && (this.#waiting.size > 0 || this.#unsentBytes >= HIGH_WATER_BYTES)) {
      await new Promise<void>((resolve) => {
        this.#drained.add(resolve);
      });
    }
  }

  #next(topic: string): number {
    const next = (this.#sequences.get(topic) ?? 0) + 1;
    this.#sequences.set(topic, next);
    return next;
  }

  #writeEvent(topic: string, event: StreamEvent): void {
    this.#write({ type: 'event', topic, seq: this.#next(topic), event } as StreamFrame);
  }

  /** @param uncounted topic of a snapshot that does not count */
  #write(frame: StreamFrame, uncounted: string | null = null): void {
    if (this.#closed || this.#socket.readyState !== this.#socket.OPEN) return;
    const uncountedBytes = Array.from(this.#uncounted.values()).reduce((sum, bytes) => sum + bytes, 0);
    if (this.#unsentBytes - uncountedBytes > MAX_UNSENT_BYTES) {
      this.#disconnect();
      return;
    }
    const data = this.#codec.encode(frame);
    const bytes = Buffer.byteLength(data);
    this.#unsentBytes += bytes;
    if (uncounted !== null) this.#uncounted.set(uncounted, bytes);
    this.#socket.send(data, () => {
      this.#unsentBytes -= bytes;
      if (uncounted !== null) this.#uncounted.delete(uncounted);
      this.#flush();
    });
  }

  #flush(): void {
    for (const [key, { topic, event }] of this.#waiting) {
      if (this.#unsentBytes >= HIGH_WATER_BYTES) return;
      this.#waiting.delete(key);
      this.#writeEvent(topic, event);
    }
    this.#wake();
  }

  /** Disconnects a client that is too slow. Nothing is sent after this, because its closing handshake may take long. */
  #disconnect(): void {
    if (this.#closed) return;
    this.#close();
    this.#socket.close(TRY_AGAIN_LATER, 'too slow; connect again');
  }

  #close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#drained) resolve();
    this.#drained.clear();
  }
}
