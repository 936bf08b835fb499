import type { WebSocket } from 'ws';

/** More than a console ever asks for at once. */
const MAX_WAITING = 64;

/**
 * What one connection asks for is done one thing after the other, and while much of it waits, nothing more is read from its
 * socket. Done all at once, the questions of one connection went before everybody else's, for minutes.
 */
export class Line {
  readonly #socket: Pick<WebSocket, 'pause' | 'resume'>;
  #waiting = 0;
  #last = Promise.resolve();

  constructor(socket: Pick<WebSocket, 'pause' | 'resume'>) {
    this.#socket = socket;
  }

  /** @param work does not reject */
  add(work: () => Promise<void>): void {
    this.#waiting += 1;
    // What came in one piece with this is told all the same.
    if (this.#waiting === MAX_WAITING) this.#socket.pause();
    this.#last = this.#after(this.#last, work);
  }

  async #after(before: Promise<void>, work: () => Promise<void>): Promise<void> {
    await before;
    await work();
    if (this.#waiting === MAX_WAITING) this.#socket.resume();
    this.#waiting -= 1;
  }
}
