import type { Task } from '../../../shared/api/queue.ts';
import type { StreamClock } from '../../../shared/client/stream-clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { FleetCommands } from '../actions/actions.ts';
import type { FleetStore } from '../fleet/fleet-store.ts';
import { sanitise, sanitiseAll } from '../text/sanitise.ts';
import type { PageRequest, Slot } from './pages.ts';

/** Minimum milliseconds between two requests for the same page. */
const INTERVAL_MS = 500;

/** Milliseconds until a failed request is tried again: a starting daemon answers soon. */
const RETRY_MS = 3_000;

/** Loads the requested pages, again when their version changes or the connection is back, and drops all other pages. */
export class PageLoader {
  readonly #store: FleetStore;
  readonly #commands: () => Promise<FleetCommands>;
  readonly #clock: StreamClock;
  #requests = new Map<Slot, PageRequest>();
  /** By slot: the key that is loading. */
  readonly #loading = new Map<Slot, string>();
  /** By slot: the key, version and round of the last request. */
  readonly #loaded = new Map<Slot, string>();
  #round = 0;
  #isConnected = false;

  constructor(options: {
    store: FleetStore;
    commands: () => Promise<FleetCommands>;
    clock: StreamClock;
  }) {
    this.#store = options.store;
    this.#commands = options.commands;
    this.#clock = options.clock;
  }

  /** Replaces the requests: the pages of all other slots are dropped. */
  setRequests(requests: readonly PageRequest[]): void {
    const before = this.#requests;
    this.#requests = new Map(requests.map((request) => [request.slot, request]));
    for (const slot of before.keys()) {
      if (this.#requests.has(slot)) continue;
      this.#loaded.delete(slot);
      this.#store.dispatch({ kind: 'page', slot, page: null });
    }
    for (const slot of this.#requests.keys()) this.#loadIfNeeded(slot);
  }

  /** Loads all pages again: the connection is back, or the user asked for it. */
  refresh(): void {
    this.#isConnected = true;
    this.#round += 1;
    for (const slot of this.#requests.keys()) this.#loadIfNeeded(slot);
  }

  /** Stops loading while there is no connection. Loaded pages stay visible. */
  pause(): void {
    this.#isConnected = false;
  }

  #loadIfNeeded(slot: Slot): void {
    const request = this.#requests.get(slot);
    if (request === undefined || !this.#isConnected) return;
    const stamp = JSON.stringify([request.key, request.version ?? '', this.#round]);
    if (this.#loading.get(slot) === request.key || this.#loaded.get(slot) === stamp) return;
    this.#loading.set(slot, request.key);
    this.#loaded.set(slot, stamp);
    void this.#load(request);
  }

  async #load(request: PageRequest): Promise<void> {
    const { slot, key } = request;
    const known = this.#store.get().pages[slot];
    const value = known?.key === key ? known.value : null;
    if (known?.key !== key)
      this.#store.dispatch({ kind: 'page', slot, page: { key, value: null, error: null } });
    let failed = false;
    let interval = request.intervalMs ?? INTERVAL_MS;
    try {
      const loaded = await request.load(await this.#commands());
      this.#setPage(slot, key, { value: sanitisePage(slot, loaded), error: null });
    } catch (error) {
      this.#setPage(slot, key, { value, error: sanitise(messageOf(error)) });
      interval = RETRY_MS;
      failed = true;
    }
    this.#clock.after(interval, () => {
      if (this.#loading.get(slot) !== key) return;
      this.#loading.delete(slot);
      if (failed) this.#loaded.delete(slot);
      this.#loadIfNeeded(slot);
    });
  }

  /** Does nothing if the screen needs another page by now. */
  #setPage(slot: Slot, key: string, page: { value: unknown; error: string | null }): void {
    if (this.#requests.get(slot)?.key !== key) return;
    this.#store.dispatch({ kind: 'page', slot, page: { key, ...page } });
  }
}

/** Values that are shown as JSON stay unchanged, because their keys are shown too. The code that draws them sanitises. */
function sanitisePage(slot: Slot, value: unknown): unknown {
  if (slot === 'records') return value;
  if (slot !== 'task') return sanitiseAll(value);
  const { payload, result, ...rest } = value as Task;
  return { ...sanitiseAll(rest), payload, result };
}
