import type { ClusterEdge } from '../helpers/haproxy.ts';

const PATH = '/api/collections/documents/records';
const PAUSE_MS = 30;
const PAGE = 500;

export interface Acknowledged {
  title: string;
  /** Monotonic, in milliseconds. */
  at: number;
}

/** Writes numbered documents by the edge, one after the other. */
export class Writer {
  readonly acknowledged: Acknowledged[] = [];
  #longestMs = 0;
  readonly #edge: ClusterEdge;
  readonly #host: string;
  readonly #token: string;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(edge: ClusterEdge, host: string, token: string) {
    this.#edge = edge;
    this.#host = host;
    this.#token = token;
    this.#ended = this.#run();
  }

  /** The longest time between two acknowledgements since the last call, in milliseconds. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** The titles that the database has now. */
  async stored(): Promise<Set<string>> {
    const titles = new Set<string>();
    for (let page = 1; ; page += 1) {
      const query = `perPage=${PAGE}&page=${page}&fields=title&skipTotal=1&sort=created`;
      const { status, text } = await this.#edge.call(this.#host, `${PATH}?${query}`, this.#request());
      if (status !== 200) throw new Error(`the list answered ${status}: ${text}`);
      const { items } = JSON.parse(text) as { items: { title: string }[] };
      for (const { title } of items) titles.add(title);
      if (items.length < PAGE) return titles;
    }
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stopping.signal.aborted; number += 1) {
      const title = `w${number}`;
      const request = { ...this.#request(), method: 'POST', body: JSON.stringify({ title }) };
      const answer = await this.#edge.call(this.#host, PATH, request).catch(() => null);
      const at = performance.now();
      if (answer?.status === 200) {
        this.#longestMs = Math.max(this.#longestMs, at - (this.acknowledged.at(-1)?.at ?? at));
        this.acknowledged.push({ title, at });
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #request() {
    return { headers: { authorization: this.#token } };
  }
}
