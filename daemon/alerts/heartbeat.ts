import { messageOf } from '../../shared/errors.ts';
import type { Clock } from '../base/time/clock.ts';
import { requestTrusted } from '../base/webhook.ts';
import type { AlertConfig } from '../config/alerts.ts';

const RETRY_MS = 60_000;

interface HeartbeatStatus {
  /** The last request that was answered. */
  at: string | null;
  /** Why the last one failed, or why none is sent. */
  problem: string | null;
}

/** Requests HEARTBEAT_URL while the fleet is healthy. */
export class Heartbeat {
  readonly #clock: Clock;
  #dueMs = Number.NEGATIVE_INFINITY;
  #status: HeartbeatStatus = { at: null, problem: null };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param unhealthy why none may be sent; null if the fleet is healthy */
  async beat(
    heartbeat: AlertConfig['heartbeat'],
    unhealthy: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (heartbeat === null) return;
    const { at } = this.#status;
    if (unhealthy !== null) {
      this.#status = { at, problem: `not sent: ${unhealthy}` };
      // The first one after it is sent at once.
      this.#dueMs = Number.NEGATIVE_INFINITY;
      return;
    }
    const nowMs = this.#clock.monotonic();
    if (nowMs < this.#dueMs) return;
    try {
      await requestTrusted(heartbeat.url, { method: 'GET' }, signal);
      this.#status = { at: this.#clock.now().toISOString(), problem: null };
      this.#dueMs = nowMs + heartbeat.intervalMs;
    } catch (error) {
      this.#status = { at, problem: messageOf(error) };
      this.#dueMs = nowMs + Math.min(RETRY_MS, heartbeat.intervalMs);
    }
  }
}
