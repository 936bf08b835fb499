import type { WebSocket } from 'ws';
import { coalesceKey, type FleetEvent } from '../../shared/events.ts';
import type { ServerFrame } from '../../shared/server-frames.ts';

/** Bytes handed to the socket that the reader has not taken yet; past this, events wait here and are coalesced. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Past this a reader that goes on asking is closed: answers and snapshots do not wait, so only this bounds them. */
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
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
  readonly #drained = new Set<() => void>();
  #unkeyed = 0;
  #unsentBytes = 0;
  #closed = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.once('close', () => this.#close());
  }

  /** Nothing is sent any more: the reader is gone, or was too slow. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Answers and errors; small, and in order with everything else. */
  send(frame: ServerFrame): void {
    this.#write(frame);
  }

  /** A topic's state; what waited for that topic is contained in it and dropped. */
  snapshot(topic: string, data: unknown): void {
    this.forget(topic);
    this.#write({ type: 'snapshot', topic, seq: this.#next(topic), data } as ServerFrame);
  }

  event(topic: string, event: FleetEvent): void {
    if (this.#closed) return;
    if (this.#waiting.size === 0 && this.#unsentBytes < HIGH_WATER_BYTES) {
      this.#write({ type: 'event', topic, seq: this.#next(topic), event });
      return;
    }
    const key = coalesceKey(event);
    if (key === null) this.#unkeyed += 1;
    this.#waiting.set(key === null ? `#${this.#unkeyed}` : `${topic} ${key}`, { topic, event });
    if (this.#waiting.size > MAX_WAITING) this.#giveUp();
  }

  forget(topic: string): void {
    for (const [key, waiting] of this.#waiting) if (waiting.topic === topic) this.#waiting.delete(key);
  }

  /** Resolves when nothing waits here, or never will again: whoever can hold back its events asks this first. */
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

  #write(frame: ServerFrame): void {
    if (this.#closed || this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#unsentBytes > MAX_UNSENT_BYTES) {
      this.#giveUp();
      return;
    }
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
    this.#wake();
  }

  /** A reader this slow also takes its time over the closing handshake: what it is told ends here, at once. */
  #giveUp(): void {
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
