import type { FleetEvent } from '../../shared/events.ts';

export type FleetListener = (event: FleetEvent) => void;

/**
 * Tells every listener each event, in order and at once. As listeners run synchronously, reading a snapshot and
 * subscribing in the same turn of the event loop misses nothing and repeats nothing.
 */
export class EventBus {
  readonly #listeners = new Set<FleetListener>();
  readonly #onListenerError: (error: unknown) => void;

  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  publish(event: FleetEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // One reader's fault must not keep the event from the others, nor stop supervision.
        this.#onListenerError(error);
      }
    }
  }

  /** Returns the way to unsubscribe, safe to call twice. */
  subscribe(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
