import type { WebSocket } from 'ws';

/** More frames than a console sends at once. */
const MAX_WAITING = 64;

/**
 * Processes the frames of one connection one after the other, and stops reading from its socket while many wait. Otherwise
 * one connection with many requests would delay all others.
 */
export class FrameQueue {
  readonly #socket: Pick<WebSocket, 'pause' | 'resume'>;
  #waiting = 0;
  #last = Promise.resolve();

  constructor(socket: Pick<WebSocket, 'pause' | 'resume'>) {
    this.#socket = socket;
  }

  /** @param work must not reject */
  add(work: () => Promise<void>): void {
    this.#waiting += 1;
    // Frames that are already read still arrive after this.
    if (this.#waiting === MAX_WAITING) this.#socket.pause();
    this.#last = this.#runAfter(this.#last, work);
  }

  async #runAfter(previous: Promise<void>, work: () => Promise<void>): Promise<void> {
    await previous;
    await work();
    if (this.#waiting === MAX_WAITING) this.#socket.resume();
    this.#waiting -= 1;
  }
}
