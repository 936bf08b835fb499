import { type StreamClock, systemClock } from '../../../shared/client/stream-clock.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { FleetStore } from '../fleet/fleet-store.ts';
import { sanitise } from '../text/sanitise.ts';
import { ACTIONS_AT_ONCE, type ActionLine } from './action-line.ts';
import { ACTIONS, type Action, type FleetCommands, type Verb } from './actions.ts';

/** Carries out actions, four instances at a time, and keeps their action line in the store up to date. */
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
    /** Who sits at this console, in words. */
    by: string;
  }) {
    this.#store = options.store;
    this.#by = options.by;
    this.#commands = options.commands;
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves when the action has ended, well or not; never rejects. */
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
    const tell = (change: Partial<ActionLine>) => {
      line = { ...line, ...change };
      this.#store.dispatch({ kind: 'action', action: line });
    };
    tell({});
    const forget = this.#onEffect(names, () => tell({ state: 'running' }));
    const waiting = [...names];
    const work = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const why = await this.#one(verb, name, action.value ?? '');
        if (why === null) tell({ done: line.done + 1 });
        else tell({ failures: [...line.failures, { name, why }] });
      }
    };
    await Promise.all(Array.from({ length: ACTIONS_AT_ONCE }, work));
    forget();
    tell({ state: line.failures.length === 0 ? 'done' : 'failed', ended_at: this.#clock.now() });
  }

  /** Null when it worked, else why not. */
  async #one(verb: Verb, name: string, value: string): Promise<string | null> {
    try {
      await ACTIONS[verb].run(await this.#commands(), name, value);
      return null;
    } catch (error) {
      return sanitise(messageOf(error));
    }
  }

  /** Calls back once, when the fleet shows that one of the instances has moved. */
  #onEffect(names: readonly string[], callback: () => void): () => void {
    const look = () => {
      const { instances } = this.#store.get();
      return names.map((name) => instances.get(name)?.since);
    };
    const before = look();
    const unsubscribe = this.#store.subscribe(() => {
      if (!look().some((since, index) => since !== before[index])) return;
      unsubscribe();
      callback();
    });
    return unsubscribe;
  }
}
