import type { AlertStatus } from '../../shared/api/alerts.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Clock } from '../base/time/clock.ts';
import { requestTrusted } from '../base/webhook.ts';
import type { AlertConfig } from '../config/alerts.ts';

const RETRY_MS = 60_000;

/** Requests HEARTBEAT_URL while the fleet is healthy. */
export class Heartbeat {
  readonly #clock: Clock;
  #dueMs = Number.NEGATIVE_INFINITY;
  #status: NonNullable<AlertStatus['heartbeat']> = { sent_at: null, withheld: null, problem: null };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get status(): NonNullable<AlertStatus['heartbeat']> {
    return this.#status;
  }

  /** @param unhealthy why none may be sent; null if the fleet is healthy */
  async beat(
    heartbeat: AlertConfig['heartbeat'],
    unhealthy: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (heartbeat === null) return;
    this.#status = { ...this.#status, withheld: unhealthy };
    if (unhealthy !== null) {
      // The first one after it is sent at once.
      this.#dueMs = Number.NEGATIVE_INFINITY;
      return;
    }
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#dueMs) return;
    try {
      await requestTrusted(heartbeat.url, { method: 'GET' }, signal);
      this.#status = { sent_at: this.#clock.now().toISOString(), withheld: null, problem: null };
      this.#dueMs = nowMs + heartbeat.intervalMs;
    } catch (error) {
      this.#status = { ...this.#status, problem: messageOf(error) };
      this.#dueMs = nowMs + Math.min(RETRY_MS, heartbeat.intervalMs);
    }
  }
}
