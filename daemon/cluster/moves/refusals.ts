import type { Clock } from '../../base/time/clock.ts';

/** A full disk or another release is not corrected sooner. */
const REMEMBERED_MS = 600_000;

interface Refusal {
  why: string;
  /** Monotonic. */
  at: number;
}

/** Which nodes have not taken which databases of this node lately, and why. */
export class Refusals {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** By database, then by node. */
  readonly #refusals = new Map<string, Map<string, Refusal>>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  note(name: string, node: string, why: string): void {
    this.#forgetOld();
    const refusals = this.#refusals.get(name) ?? new Map<string, Refusal>();
    refusals.set(node, { why, at: this.#clock.monotonic() });
    this.#refusals.set(name, refusals);
  }

  /** The database has moved. */
  forget(name: string): void {
    this.#refusals.delete(name);
  }

  /** By node: why it did not take a database. Those of the longest time ago first. */
  of(name: string): ReadonlyMap<string, string> {
    this.#forgetOld();
    const refusals = [...(this.#refusals.get(name) ?? [])].toSorted(([, a], [, b]) => a.at - b.at);
    return new Map(refusals.map(([node, { why }]) => [node, why]));
  }

  /** Nodes that have not taken any of the databases. */
  nodes(): ReadonlySet<string> {
    this.#forgetOld();
    return new Set([...this.#refusals.values()].flatMap((refusals) => [...refusals.keys()]));
  }

  #forgetOld(): void {
    const since = this.#clock.monotonic() - REMEMBERED_MS;
    for (const [name, refusals] of this.#refusals) {
      for (const [node, { at }] of refusals) if (at <= since) refusals.delete(node);
      if (refusals.size === 0) this.#refusals.delete(name);
    }
  }
}
