import { bootTime } from '../../../base/time/boot-time.ts';

const LOOK_EVERY_MS = 250;

/** How long a node of a cluster may run its processes. */
export class Lease {
  /** In boot time; null without a limit. */
  #until: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  readonly #onOver: () => void;

  /** @param onOver called again and again while it is over */
  constructor(until: number | null, onOver: () => void) {
    this.#onOver = onOver;
    this.set(until);
  }

  get until(): number | null {
    return this.#until;
  }

  get isOver(): boolean {
    return this.#until !== null && bootTime() >= this.#until;
  }

  set(until: number | null): void {
    this.#until = until;
    if (until === null) {
      if (this.#timer) clearInterval(this.#timer);
      this.#timer = null;
    } else this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  #look(): void {
    if (this.isOver) this.#onOver();
  }
}
