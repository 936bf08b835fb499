import type { WebSocket } from 'ws';
import { coalesceKey, type FleetEvent } from '../../../shared/events.ts';
import type { ServerFrame } from '../../../shared/server-frames.ts';

/** Bytes handed to the socket that the reader has not taken yet; past this, events wait here and are coalesced. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Events that may wait for one reader; past this it is closed, and may come back for a new snapshot. */
const MAX_WAITING = 5_000;
/** RFC 6455 registry: "Try Again Later". */
const TRY_AGAIN_LATER = 1013;

interface Waiting {
  topic: string;
  event: FleetEvent;
}

/**
 * What goes to one reader. A slow one never grows the daemon's memory: events of one key replace each other while they
 * wait. The sequence number is given when an event is sent, so it counts on by one whatever was coalesced.
 */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #sequences = new Map<string, number>();
  readonly #waiting = new Map<string, Waiting>();
  #unkeyed = 0;
  #unsentBytes = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Answers and errors; small, and in order with everything else. */
  send(frame: ServerFrame): void {
    this.#write(frame);
  }

  /** A topic's state; what waited for that topic is contained in it and dropped. */
  snapshot(topic: string, data: unknown): void {
    for (const [key, waiting] of this.#waiting) if (waiting.topic === topic) this.#waiting.delete(key);
    this.#write({ type: 'snapshot', topic, seq: this.#next(topic), data } as ServerFrame);
  }

  event(topic: string, event: FleetEvent): void {
    if (this.#waiting.size === 0 && this.#unsentBytes < HIGH_WATER_BYTES) {
      this.#write({ type: 'event', topic, seq: this.#next(topic), event });
      return;
    }
    const key = coalesceKey(event);
    if (key === null) this.#unkeyed += 1;
    this.#waiting.set(key === null ? `#${this.#unkeyed}` : `${topic} ${key}`, { topic, event });
    if (this.#waiting.size > MAX_WAITING) this.#socket.close(TRY_AGAIN_LATER, 'too slow; connect again');
  }

  forget(topic: string): void {
    for (const [key, waiting] of this.#waiting) if (waiting.topic === topic) this.#waiting.delete(key);
  }

  #next(topic: string): number {
    const next = (this.#sequences.get(topic) ?? 0) + 1;
    this.#sequences.set(topic, next);
    return next;
  }

  #write(frame: ServerFrame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const text = JSON.stringify(frame);
    const bytes = Buffer.byteLength(text);
    this.#unsentBytes += bytes;
    this.#socket.send(text, () => {
      this.#unsentBytes -= bytes;
      this.#flush();
    });
  }

  #flush(): void {
    for (const [key, { topic, event }] of this.#waiting) {
      if (this.#unsentBytes >= HIGH_WATER_BYTES) return;
      this.#waiting.delete(key);
      this.#write({ type: 'event', topic, seq: this.#next(topic), event });
    }
  }
}
