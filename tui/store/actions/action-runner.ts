import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { FleetStore } from '../fleet/fleet-store.ts';
import { sanitise } from '../text/sanitise.ts';
import { type ActionLine, MAX_PARALLEL } from './action-line.ts';
import { ACTIONS, type Action, type FleetCommands, type Verb } from './actions.ts';

/** Runs actions, four targets at a time, and keeps their progress in the store up to date. */
export class ActionRunner {
  readonly #store: FleetStore;
  readonly #commands: () => Promise<FleetCommands>;
  readonly #clock: StreamClock;
  readonly #by: string;
  #lastId = 0;

  constructor(options: {
    store: FleetStore;
    commands: () => Promise<FleetCommands>;
    clock?: StreamClock;
    /** Name of the user of this console. */
    by: string;
  }) {
    this.#store = options.store;
    this.#by = options.by;
    this.#commands = options.commands;
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves when the action is done or failed; never rejects. */
  async run(action: Action): Promise<void> {
    const { verb, names } = action;
    this.#lastId += 1;
    let line: ActionLine = {
      ...action,
      id: this.#lastId,
      by: this.#by,
      state: 'sent',
      at: this.#clock.now(),
      ended_at: null,
      done: 0,
      failures: [],
    };
    const update = (change: Partial<ActionLine>) => {
      line = { ...line, ...change };
      this.#store.dispatch({ kind: 'action', action: line });
    };
    update({});
    const unsubscribe = this.#onEffect(names, () => update({ state: 'running' }));
    const waiting = [...names];
    const work = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const why = await this.#runOne(verb, name, action.value ?? '');
        if (why === null) update({ done: line.done + 1 });
        else update({ failures: [...line.failures, { name, why }] });
      }
    };
    await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
    unsubscribe();
    update({ state: line.failures.length === 0 ? 'done' : 'failed', ended_at: this.#clock.now() });
  }

  /** @returns why it failed; null if it succeeded */
  async #runOne(verb: Verb, name: string, value: string): Promise<string | null> {
    try {
      await ACTIONS[verb].run(await this.#commands(), name, value);
      return null;
    } catch (error) {
      return sanitise(messageOf(error));
    }
  }

  /** Calls back once, when the phase of one of the instances changes. */
  #onEffect(names: readonly string[], callback: () => void): () => void {
    const phaseTimes = () => {
      const { instances } = this.#store.get();
      return names.map((name) => instances.get(name)?.since);
    };
    const before = phaseTimes();
    const unsubscribe = this.#store.subscribe(() => {
      if (!phaseTimes().some((since, index) => since !== before[index])) return;
      unsubscribe();
      callback();
    });
    return unsubscribe;
  }
}
