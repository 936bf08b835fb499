/** Label values in a fixed order; what they are called is known where they are shown. */
type Labels = readonly string[];

/** More label sets than that are counted as `other`: values that callers choose must not grow the memory. */
const MAX_LABEL_SETS = 1_000;
const OTHER = 'other';

class Labelled<V> {
  readonly #values = new Map<string, { labels: Labels; value: V }>();
  readonly #initial: () => V;

  constructor(initial: () => V, known: readonly Labels[]) {
    this.#initial = initial;
    for (const labels of known) this.of(labels);
  }

  of(labels: Labels): { labels: Labels; value: V } {
    const key = labels.join('\0');
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (this.#values.size >= MAX_LABEL_SETS && labels.some((label) => label !== OTHER))
      return this.of(labels.map(() => OTHER));
    const added = { labels, value: this.#initial() };
    this.#values.set(key, added);
    return added;
  }

  entries(): { labels: Labels; value: V }[] {
    return [...this.#values.values()];
  }
}

/** Counts by label values, since the start of the process. */
export class Tally {
  readonly #counts: Labelled<number>;

  /** @param known label sets that are shown before they occur: the increase to the first one is seen then */
  constructor(known: readonly Labels[] = []) {
    this.#counts = new Labelled(() => 0, known);
  }

  add(labels: Labels): void {
    this.#counts.of(labels).value += 1;
  }

  entries(): { labels: Labels; value: number }[] {
    return this.#counts.entries();
  }
}

/** A histogram: how many values were at most as large as each bound. */
export interface Histogram {
  /** Each with all smaller values, as Prometheus wants them. */
  buckets: { bound: number; count: number }[];
  sum: number;
  count: number;
}

/** Sizes of what happened, by label values, since the start of the process. */
export class Distribution {
  readonly #histograms: Labelled<Histogram>;

  /**
   * @param bounds ascending; what is larger is in the count alone
   * @param known as for `Tally`
   */
  constructor(bounds: readonly number[], known: readonly Labels[] = []) {
    const empty = (): Histogram => ({
      buckets: bounds.map((bound) => ({ bound, count: 0 })),
      sum: 0,
      count: 0,
    });
    this.#histograms = new Labelled(empty, known);
  }

  observe(labels: Labels, value: number): void {
    const { value: histogram } = this.#histograms.of(labels);
    histogram.sum += value;
    histogram.count += 1;
    for (const bucket of histogram.buckets) if (value <= bucket.bound) bucket.count += 1;
  }

  entries(): { labels: Labels; value: Histogram }[] {
    return this.#histograms.entries();
  }
}
