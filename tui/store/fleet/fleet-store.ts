import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import type { FleetEvent } from '../../../shared/events.ts';
import { Observable } from '../observable.ts';
import { reduceFleet } from './fleet-reducer.ts';
import { type FleetChange, type FleetState, initialState } from './fleet-state.ts';

/** Milliseconds between two notifications while events come in; a screen that changes faster is not read. */
const NOTIFY_EVERY = 100;

/** The console's only copy of the fleet. Events are gathered; every other change is applied at once. */
export class FleetStore {
  readonly #state: Observable<FleetState>;
  readonly #clock: StreamClock;
  #gathered: FleetEvent[] = [];
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
    // An answer that was on its way when another daemon was chosen.
    if (this.#closed) return;
    // In order: what was gathered happened before.
    this.#flush();
    const changes = [...this.#later, change];
    this.#later = [];
    this.#state.update((state) => changes.reduce(reduceFleet, state));
  }

  /** With the next change, the next second's at the latest: what nobody waits for needs no frame of its own. */
  dispatchLater(change: FleetChange): void {
    this.#later.push(change);
  }

  /** Measures wait for the next second: a fleet at rest is not drawn more often than its clock. */
  enqueue(event: FleetEvent): void {
    this.#gathered.push(event);
    if (this.#cancelFlush !== null || isMeasure(event)) return;
    const wait = Math.max(0, this.#flushedAt + NOTIFY_EVERY - this.#clock.now());
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
    if (this.#gathered.length === 0) return;
    const events = this.#gathered;
    this.#gathered = [];
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

function isMeasure({ kind }: FleetEvent): boolean {
  return kind === 'instance.usage' || kind === 'instance.probe' || kind === 'daemon.usage';
}
