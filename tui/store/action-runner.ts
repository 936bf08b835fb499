import { type StreamClock, systemClock } from '../../shared/client/stream-clock.ts';
import { ACTIONS_AT_ONCE, type ActionLine, type Verb } from './action-line.ts';
import type { FleetStore } from './fleet-store.ts';
import { sanitise } from './sanitise.ts';

/**
 * What the console asks of the daemon over HTTP. Each answers once the phase is reached, and rejects with an error
 * whose message is a sentence.
 */
export interface InstanceCommands {
  /** `force` starts what has failed for good, too. */
  start(name: string, options: { force: boolean }): Promise<unknown>;
  stop(name: string): Promise<unknown>;
  restart(name: string): Promise<unknown>;
}

/** Carries out actions, four instances at a time, and keeps their action line in the store up to date. */
export class ActionRunner {
  readonly #store: FleetStore;
  readonly #commands: () => Promise<InstanceCommands>;
  readonly #clock: StreamClock;
  #lastId = 0;

  constructor(options: {
    store: FleetStore;
    commands: () => Promise<InstanceCommands>;
    clock?: StreamClock;
  }) {
    this.#store = options.store;
    this.#commands = options.commands;
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves when the action has ended, well or not; never rejects. */
  async run(verb: Verb, names: readonly string[]): Promise<void> {
    this.#lastId += 1;
    let line: ActionLine = {
      id: this.#lastId,
      verb,
      names,
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
        const why = await this.#one(verb, name);
        if (why === null) tell({ done: line.done + 1 });
        else tell({ failures: [...line.failures, { name, why }] });
      }
    };
    await Promise.all(Array.from({ length: ACTIONS_AT_ONCE }, work));
    forget();
    tell({ state: line.failures.length === 0 ? 'done' : 'failed', ended_at: this.#clock.now() });
  }

  /** Null when it worked, else why not. */
  async #one(verb: Verb, name: string): Promise<string | null> {
    try {
      const commands = await this.#commands();
      // A person asks, so the end of the crash loop does not stand in the way.
      if (verb === 'start') await commands.start(name, { force: true });
      else await commands[verb](name);
      return null;
    } catch (error) {
      return sanitise(error instanceof Error ? error.message : String(error));
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
