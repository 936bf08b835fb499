import { PassThrough } from 'node:stream';
import { type MouseEvent, MouseReports } from '../keys/mouse.ts';

/** Milliseconds to wait for the rest of a sequence after Esc. Ink waits for the same time again. */
const REST_WITHIN_MS = 15;

/** The used part of the standard input. */
export interface Terminal extends NodeJS.ReadableStream {
  isTTY?: boolean;
  setRawMode(raw: boolean): unknown;
  ref(): unknown;
  unref(): unknown;
}

/**
 * The input that Ink reads instead of the terminal: keys without mouse reports. Ink would drop the reports, or read those
 * that arrive in parts as typed text.
 */
export class TerminalInput extends PassThrough {
  readonly isTTY = true;
  readonly #terminal: Terminal;
  readonly #reports = new MouseReports();
  readonly #onMouse: (event: MouseEvent) => void;
  #release: NodeJS.Timeout | undefined;
  readonly #take = (chunk: string | Buffer): void => {
    clearTimeout(this.#release);
    const { keys, events } = this.#reports.take(chunk.toString());
    if (keys !== '') this.write(keys);
    for (const event of events) this.#onMouse(event);
    if (!this.#reports.mayBeKey) return;
    this.#release = setTimeout(() => this.write(this.#reports.release()), REST_WITHIN_MS);
  };

  constructor(terminal: Terminal, onMouse: (event: MouseEvent) => void) {
    super();
    this.#terminal = terminal;
    this.#onMouse = onMouse;
    terminal.setEncoding('utf8');
  }

  /** Ink calls this to take the terminal over, and to give it back. */
  setRawMode(raw: boolean): this {
    this.#terminal.setRawMode(raw);
    this.#terminal.off('data', this.#take);
    clearTimeout(this.#release);
    if (raw) this.#terminal.on('data', this.#take).resume();
    else this.#terminal.pause();
    return this;
  }

  ref(): this {
    this.#terminal.ref();
    return this;
  }

  unref(): this {
    this.#terminal.unref();
    return this;
  }
}
