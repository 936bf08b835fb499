import type { FleetEvent } from '../../shared/events.ts';
import { Distribution, Tally } from '../base/tally.ts';
import type { EventBus } from '../events/bus.ts';

/** Seconds. */
const HTTP_BOUNDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 10];
const START_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const TASK_BOUNDS = [0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900];

const KINDS = [['global'], ['user']];

/** What happened since the daemon started, counted for `/metrics`. */
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
  readonly #known = new Map<string, { restarts: number; startingSinceMs: number | null }>();

  constructor(bus: Pick<EventBus, 'subscribe'>) {
    bus.subscribe((event) => this.#note(event));
  }

  /** @param route as it is declared, like `/api/v1/users/:id`; null where no route answered */
  noteRequest(method: string, route: string | null, status: number, seconds: number): void {
    const where = route ?? 'none';
    this.httpRequests.add([method, where, String(status)]);
    this.httpDurations.observe([method, where], seconds);
  }

  noteProvision(outcome: 'ok' | 'failed', seconds: number): void {
    this.provisions.observe([outcome], seconds);
  }

  noteAttempt(type: string, outcome: string, seconds: number): void {
    this.attempts.add([type, outcome]);
    this.attemptDurations.observe([type], seconds);
  }

  #note(event: FleetEvent): void {
    if (event.kind === 'instance.removed') this.#known.delete(event.name);
    if (event.kind !== 'instance.phase') return;
    const { name, to, instance } = event;
    const atMs = Date.parse(event.at);
    const before = this.#known.get(name);
    for (let count = before?.restarts ?? 0; count < instance.restarts; count++)
      this.restarts.add([instance.kind]);
    const began = before?.startingSinceMs ?? null;
    if (to === 'running' && began !== null) this.starts.observe([instance.kind], (atMs - began) / 1000);
    this.#known.set(name, { restarts: instance.restarts, startingSinceMs: to === 'starting' ? atMs : null });
  }
}
