import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import type { FleetEvent } from '../../../shared/events.ts';
import { Observable } from '../observable.ts';
import { reduceFleet } from './fleet-reducer.ts';
import { type FleetChange, type FleetState, initialState } from './fleet-state.ts';

/** Minimum milliseconds between two notifications. A user cannot read a screen that changes faster. */
const NOTIFY_INTERVAL_MS = 100;

/** The state of the fleet in this console. Events are applied in batches, every other change immediately. */
export class FleetStore {
  readonly #state: Observable<FleetState>;
  readonly #clock: StreamClock;
  #pendingEvents: FleetEvent[] = [];
  #later: FleetChange[] = [];
  #cancelFlush: (() => void) | null = null;
  #cancelTick: (() => void) | null = null;
  #flushedAt = 0;
  #closed = false;

  constructor(clock: StreamClock = systemClock) {
    this.#clock = clock;
    this.#state = new Observable(initialState(clock.now()));
    this.#tick();
  }

  readonly get = (): FleetState => this.#state.get();
  readonly subscribe = (listener: () => void): (() => void) => this.#state.subscribe(listener);

  dispatch(change: FleetChange): void {
    // A late response, after the console connected to another daemon.
    if (this.#closed) return;
    // Keeps the order: pending events happened before this change.
    this.#flush();
    const changes = [...this.#later, change];
    this.#later = [];
    this.#state.update((state) => changes.reduce(reduceFleet, state));
  }

  /** Applies a change that is not urgent together with the next one, within a second. */
  dispatchLater(change: FleetChange): void {
    this.#later.push(change);
  }

  /** Adds an event to the next batch. Measurements wait up to a second, so that an idle fleet is drawn once a second. */
  enqueue(event: FleetEvent): void {
    this.#pendingEvents.push(event);
    if (this.#cancelFlush !== null || isMeasurement(event)) return;
    const wait = Math.max(0, this.#flushedAt + NOTIFY_INTERVAL_MS - this.#clock.now());
    this.#cancelFlush = this.#clock.after(wait, () => this.#flush());
  }

  close(): void {
    this.#closed = true;
    this.#cancelFlush?.();
    this.#cancelTick?.();
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    if (this.#pendingEvents.length === 0) return;
    const events = this.#pendingEvents;
    this.#pendingEvents = [];
    const now = this.#clock.now();
    this.#flushedAt = now;
    this.#state.update((state) => reduceFleet(state, { kind: 'events', events, now }));
  }

  #tick(): void {
    this.#cancelTick = this.#clock.after(1000, () => {
      this.#tick();
      this.dispatch({ kind: 'tick', now: this.#clock.now() });
    });
  }
}

function isMeasurement({ kind }: FleetEvent): boolean {
  return kind === 'instance.usage' || kind === 'instance.probe' || kind === 'daemon.usage';
}
