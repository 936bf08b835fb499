import type { Task } from '../../../shared/api/queue.ts';
import type { StreamClock } from '../../../shared/client/stream-clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { FleetCommands } from '../actions/actions.ts';
import type { FleetStore } from '../fleet/fleet-store.ts';
import { sanitise, sanitiseAll } from '../text/sanitise.ts';
import type { PageRequest, Slot } from './pages.ts';

/** Milliseconds between two readings of the same page, however often it changes. */
const REST_MS = 500;

/** Milliseconds after which a reading that failed is tried again: a daemon that starts answers soon. */
const RETRY_MS = 3_000;

/** Reads the pages that are wanted, again when their version changes or the link came back, and drops the others. */
export class PageLoader {
  readonly #store: FleetStore;
  readonly #commands: () => Promise<FleetCommands>;
  readonly #clock: StreamClock;
  #wanted = new Map<Slot, PageRequest>();
  /** By slot: what is being read, or was read last. */
  readonly #running = new Map<Slot, string>();
  readonly #seen = new Map<Slot, string>();
  #round = 0;
  #live = false;

  constructor(options: {
    store: FleetStore;
    commands: () => Promise<FleetCommands>;
    clock: StreamClock;
  }) {
    this.#store = options.store;
    this.#commands = options.commands;
    this.#clock = options.clock;
  }

  want(requests: readonly PageRequest[]): void {
    const before = this.#wanted;
    this.#wanted = new Map(requests.map((request) => [request.slot, request]));
    for (const slot of before.keys()) {
      if (this.#wanted.has(slot)) continue;
      this.#seen.delete(slot);
      this.#store.dispatch({ kind: 'page', slot, page: null });
    }
    for (const slot of this.#wanted.keys()) this.#look(slot);
  }

  /** Everything that is wanted is read anew: the link is back, or somebody asked for it. */
  refresh(): void {
    this.#live = true;
    this.#round += 1;
    for (const slot of this.#wanted.keys()) this.#look(slot);
  }

  /** The link is gone: what was read stays in view, and nothing is asked for. */
  rest(): void {
    this.#live = false;
  }

  #look(slot: Slot): void {
    const request = this.#wanted.get(slot);
    if (request === undefined || !this.#live) return;
    const stamp = JSON.stringify([request.key, request.version ?? '', this.#round]);
    if (this.#running.get(slot) === request.key || this.#seen.get(slot) === stamp) return;
    this.#running.set(slot, request.key);
    this.#seen.set(slot, stamp);
    void this.#read(request);
  }

  async #read(request: PageRequest): Promise<void> {
    const { slot, key } = request;
    const known = this.#store.get().pages[slot];
    const value = known?.key === key ? known.value : null;
    if (known?.key !== key)
      this.#store.dispatch({ kind: 'page', slot, page: { key, value: null, error: null } });
    let failed = false;
    let rest = request.restMs ?? REST_MS;
    try {
      const read = await request.load(await this.#commands());
      this.#keep(slot, key, { value: cleaned(slot, read), error: null });
    } catch (error) {
      this.#keep(slot, key, { value, error: sanitise(messageOf(error)) });
      rest = RETRY_MS;
      failed = true;
    }
    this.#clock.after(rest, () => {
      if (this.#running.get(slot) !== key) return;
      this.#running.delete(slot);
      if (failed) this.#seen.delete(slot);
      this.#look(slot);
    });
  }

  /** Unless something else is looked at by now. */
  #keep(slot: Slot, key: string, page: { value: unknown; error: string | null }): void {
    if (this.#wanted.get(slot)?.key !== key) return;
    this.#store.dispatch({ kind: 'page', slot, page: { key, ...page } });
  }
}

/** Whatever is shown as JSON stays as it is, as its keys are shown as well: whoever draws it makes it harmless. */
function cleaned(slot: Slot, value: unknown): unknown {
  if (slot === 'records') return value;
  if (slot !== 'task') return sanitiseAll(value);
  const { payload, result, ...rest } = value as Task;
  return { ...sanitiseAll(rest), payload, result };
}
