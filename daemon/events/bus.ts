import type { FleetEvent } from '../../shared/events.ts';

export type FleetListener = (event: FleetEvent) => void;

/**
 * Sends each event to every listener, in order. Listeners run synchronously. So a reader that reads a snapshot and
 * subscribes in the same turn of the event loop loses no event and gets none twice.
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
        // An error of one listener must not affect the others or the publisher.
        this.#onListenerError(error);
      }
    }
  }

  /** Returns a function that unsubscribes; it may be called twice. */
  subscribe(listener: FleetListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
