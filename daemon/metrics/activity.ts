import type { FleetEvent } from '../../shared/events.ts';
import { Distribution, Tally } from '../base/tally.ts';
import type { EventBus } from '../events/bus.ts';

/** Upper bounds of histogram buckets, in seconds. */
const HTTP_BOUNDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10];
const START_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TASK_BOUNDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900];

const KINDS = [['global'], ['user']];

/** Counts what happens from the start of the daemon, for `/metrics`. */
export class Activity {
  /** By method, route and status. */
  readonly httpRequests = new Tally();
  /** By method and route. */
  readonly httpDurations = new Distribution(HTTP_BOUNDS);
  /** By kind. */
  readonly restarts = new Tally(KINDS);
  /** By kind. */
  readonly starts = new Distribution(START_BOUNDS, KINDS);
  /** By outcome. */
  readonly provisions = new Distribution(START_BOUNDS, [['ok'], ['failed']]);
  /** By type and outcome. */
  readonly attempts = new Tally();
  /** By type. */
  readonly attemptDurations = new Distribution(TASK_BOUNDS);
  readonly #instances = new Map<string, { restarts: number; startingSinceMs: number | null }>();

  constructor(bus: Pick<EventBus, 'subscribe'>) {
    bus.subscribe((event) => this.#noteEvent(event));
  }

  /** @param route as declared, like `/api/v1/users/:id`; null for a request that matched no route */
  noteRequest(method: string, route: string | null, status: number, seconds: number): void {
    const label = route ?? 'none';
    this.httpRequests.add([method, label, String(status)]);
    this.httpDurations.observe([method, label], seconds);
  }

  noteProvision(outcome: 'ok' | 'failed', seconds: number): void {
    this.provisions.observe([outcome], seconds);
  }

  noteAttempt(type: string, outcome: string, seconds: number): void {
    this.attempts.add([type, outcome]);
    this.attemptDurations.observe([type], seconds);
  }

  #noteEvent(event: FleetEvent): void {
    if (event.kind === 'instance.removed') this.#instances.delete(event.name);
    if (event.kind !== 'instance.phase') return;
    const { name, to } = event;
    const before = this.#instances.get(name);
    // It has not run with this daemon. The start of the daemon lets thousands sleep.
    if (to === 'asleep' && before === undefined) return;
    const { instance } = event;
    const atMs = Date.parse(event.at);
    for (let count = before?.restarts ?? 0; count < instance.restarts; count++)
      this.restarts.add([instance.kind]);
    const began = before?.startingSinceMs ?? null;
    if (to === 'running' && began !== null) this.starts.observe([instance.kind], (atMs - began) / 1000);
    this.#instances.set(name, {
      restarts: instance.restarts,
      startingSinceMs: to === 'starting' ? atMs : null,
    });
  }
}
