import type { RecentWakes, SlowWake } from '../../shared/api/daemon.ts';
import type { FleetEvent } from '../../shared/events.ts';
import { WAKE_CAUSES, type WakeCause } from '../../shared/instance.ts';
import { Distribution, Tally } from '../base/tally.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from '../events/bus.ts';

/** Upper bounds of histogram buckets, in seconds. An idle host wakes a database in 0.03 s. */
const BOUNDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const MINUTE_MS = 60_000;
const KEPT_MINUTES = 60;
const KEPT_SLOWEST = 5;

interface Minute {
  count: number;
  slowest: readonly SlowWake[];
}

/** Counts and measures the wakes of databases: from the start of the daemon for `/metrics`, and those of the last hour. */
export class Wakes {
  /** By cause. */
  readonly counts = new Tally(WAKE_CAUSES.map((by) => [by]));
  readonly durations = new Distribution(BOUNDS, [[]]);
  readonly #clock: Clock;
  readonly #waking = new Map<string, { sinceMs: number; by: WakeCause }>();
  readonly #minutes = new Map<number, Minute>();

  constructor(bus: Pick<EventBus, 'subscribe'>, clock: Clock) {
    this.#clock = clock;
    bus.subscribe((event) => this.#note(event));
  }

  get lastHour(): RecentWakes {
    this.#forgetOld();
    const minutes = [...this.#minutes.values()];
    return {
      last_hour: minutes.reduce((sum, { count }) => sum + count, 0),
      slowest: slowestOf(minutes.flatMap(({ slowest }) => slowest)),
    };
  }

  #note(event: FleetEvent): void {
    if (event.kind === 'instance.removed') this.#waking.delete(event.name);
    if (event.kind === 'instance.wake') this.#noteWake(event);
    if (event.kind === 'instance.phase') this.#notePhase(event);
  }

  #noteWake({ name, by }: Extract<FleetEvent, { kind: 'instance.wake' }>): void {
    this.counts.add([by]);
    this.#currentMinute().count += 1;
    const known = this.#waking.get(name);
    if (known) known.by = by;
  }

  #notePhase({ name, from, to, at }: Extract<FleetEvent, { kind: 'instance.phase' }>): void {
    const atMs = Date.parse(at);
    // The cause follows.
    if (from === 'asleep' && to === 'waking') this.#waking.set(name, { sinceMs: atMs, by: 'connection' });
    if (to === 'stopped' || to === 'asleep' || to === 'failed') this.#waking.delete(name);
    const woken = this.#waking.get(name);
    if (to !== 'running' || woken === undefined) return;
    this.#waking.delete(name);
    const durationMs = atMs - woken.sinceMs;
    this.durations.observe([], durationMs / 1000);
    const minute = this.#currentMinute();
    minute.slowest = slowestOf([
      ...minute.slowest,
      { database: name, at: new Date(woken.sinceMs).toISOString(), by: woken.by, duration_ms: durationMs },
    ]);
  }

  #currentMinute(): Minute {
    const number = this.#now();
    const minute = this.#minutes.get(number) ?? { count: 0, slowest: [] };
    if (!this.#minutes.has(number)) {
      this.#forgetOld();
      this.#minutes.set(number, minute);
    }
    return minute;
  }

  #forgetOld(): void {
    const oldest = this.#now() - KEPT_MINUTES;
    for (const number of this.#minutes.keys()) if (number <= oldest) this.#minutes.delete(number);
  }

  #now(): number {
    return Math.floor(this.#clock.monotonic() / MINUTE_MS);
  }
}

function slowestOf(wakes: readonly SlowWake[]): SlowWake[] {
  return wakes.toSorted((a, b) => b.duration_ms - a.duration_ms).slice(0, KEPT_SLOWEST);
}
