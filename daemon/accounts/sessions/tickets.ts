import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/time/clock.ts';

const LIFETIME_MS = 30_000;
/** Unused tickets; beyond this number the oldest are dropped. */
const MAX_OPEN = 10_000;

/** One-use tickets for a WebSocket: browsers cannot set its headers, and a session token must not be in a URL. */
export class Tickets<T> {
  readonly #clock: Clock;
  readonly #open = new Map<string, { holder: T; expiresMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(holder: T): { ticket: string; expiresAt: Date } {
    const now = this.#clock.now().getTime();
    for (const [ticket, { expiresMs }] of this.#open) {
      // Tickets are in order of issue, so all after the first valid one are valid, too.
      if (expiresMs > now && this.#open.size < MAX_OPEN) break;
      this.#open.delete(ticket);
    }
    const ticket = randomBytes(32).toString('base64url');
    const expiresMs = now + LIFETIME_MS;
    this.#open.set(ticket, { holder, expiresMs });
    return { ticket, expiresAt: new Date(expiresMs) };
  }

  /** Returns the holder, once; null for a ticket that is unknown, used or expired. */
  redeem(ticket: string): T | null {
    const found = this.#open.get(ticket);
    this.#open.delete(ticket);
    return found && found.expiresMs > this.#clock.now().getTime() ? found.holder : null;
  }
}
