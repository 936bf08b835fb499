import { Agent } from 'node:http';
import type { ClusterEdge } from '../helpers/haproxy.ts';

const PATH = '/api/collections/documents/records';
const PAGE = 500;
/** A client that waits longer gives up. */
const TIMEOUT_MS = 30_000;

export interface Acknowledged {
  title: string;
  /** Monotonic, in milliseconds. */
  at: number;
}

/** A time without an answer: from the first attempt to the next success, monotonic, in milliseconds. */
export interface Gap {
  from: number;
  to: number;
}

/** Shorter ones are not recorded. */
const GAP_MS = 500;

/** Repeats a request, and records when it succeeds. */
export class Attempts {
  readonly gaps: Gap[] = [];
  lastSuccess = performance.now();
  /** Why attempts have failed, the last first. */
  readonly problems: string[] = [];
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  /** @param attempt resolves with null, or with why it failed */
  constructor(attempt: (signal: AbortSignal) => Promise<string | null>, pauseMs: number) {
    this.#ended = this.#run(attempt, pauseMs);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** The longest time without a success that overlaps with a range. */
  longestMs(from: number, to: number): number {
    return Math.max(
      0,
      ...this.gaps.flatMap((gap) => (gap.to >= from && gap.from <= to ? [gap.to - gap.from] : [])),
    );
  }

  async #run(attempt: (signal: AbortSignal) => Promise<string | null>, pauseMs: number): Promise<void> {
    const { signal } = this.#stopping;
    let since: number | null = null;
    while (!signal.aborted) {
      since ??= performance.now();
      const problem = await attempt(AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])).catch(String);
      if (signal.aborted) return;
      const at = performance.now();
      if (problem === null) {
        if (at - since > GAP_MS) this.gaps.push({ from: since, to: at });
        since = null;
        this.lastSuccess = at;
      } else {
        this.problems.unshift(`${new Date().toISOString()} ${problem}`);
        this.problems.length = Math.min(this.problems.length, 20);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

/** Writes numbered documents by the edge, one after the other. */
export class Writer {
  readonly name: string;
  readonly acknowledged: Acknowledged[] = [];
  readonly attempts: Attempts;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #edge: ClusterEdge;
  readonly #host: string;
  readonly #token: string;
  #number = 0;
  /** How many of the acknowledged writes were looked for. */
  #checked = 0;

  constructor(
    edge: ClusterEdge,
    { name, host, token, pauseMs }: { name: string; host: string; token: string; pauseMs: number },
  ) {
    this.name = name;
    this.#edge = edge;
    this.#host = host;
    this.#token = token;
    this.attempts = new Attempts((signal) => this.#write(signal), pauseMs);
  }

  async stop(): Promise<void> {
    await this.attempts.stop();
    this.#agent.destroy();
  }

  /** Acknowledged writes that the database does not have, of those since the last call. */
  async takeLost(): Promise<Acknowledged[]> {
    const written = this.acknowledged.slice(this.#checked);
    this.#checked += written.length;
    return this.#missing(written);
  }

  /** Acknowledged writes that the database does not have. */
  async allLost(): Promise<Acknowledged[]> {
    return this.#missing(this.acknowledged);
  }

  async #missing(written: readonly Acknowledged[]): Promise<Acknowledged[]> {
    const wanted = new Map(written.map((one) => [one.title, one]));
    // The last ones first.
    for (let page = 1; wanted.size > 0; page += 1) {
      const query = `perPage=${PAGE}&page=${page}&fields=title&skipTotal=1&sort=-created,-id`;
      const { status, text } = await this.#edge.call(this.#host, `${PATH}?${query}`, {
        headers: { authorization: this.#token },
      });
      if (status !== 200) throw new Error(`the list of ${this.name} answered ${status}: ${text}`);
      const { items } = JSON.parse(text) as { items: { title: string }[] };
      for (const { title } of items) wanted.delete(title);
      if (items.length < PAGE) break;
    }
    return [...wanted.values()];
  }

  async #write(signal: AbortSignal): Promise<string | null> {
    const title = `w${this.#number}`;
    this.#number += 1;
    const { status, text } = await this.#edge.call(this.#host, PATH, {
      method: 'POST',
      headers: { authorization: this.#token },
      body: JSON.stringify({ title }),
      agent: this.#agent,
      signal,
    });
    if (status !== 200) return `${status} ${text.slice(0, 200)}`;
    this.acknowledged.push({ title, at: performance.now() });
    return null;
  }
}
