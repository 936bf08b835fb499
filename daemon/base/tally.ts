/** Label values in a fixed order. The metrics table has their names. */
type Labels = readonly string[];

/** Further label sets are counted as `other`: callers choose some values, and memory must stay bounded. */
const MAX_LABEL_SETS = 1_000;
const OTHER = 'other';

/** A bounded map from label values to `V`. */
class LabelledValues<V> {
  readonly #values = new Map<string, { labels: Labels; value: V }>();
  readonly #initial: () => V;

  constructor(initial: () => V, known: readonly Labels[]) {
    this.#initial = initial;
    for (const labels of known) this.get(labels);
  }

  get(labels: Labels): { labels: Labels; value: V } {
    const key = labels.join('\0');
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    if (this.#values.size >= MAX_LABEL_SETS && labels.some((label) => label !== OTHER))
      return this.get(labels.map(() => OTHER));
    const added = { labels, value: this.#initial() };
    this.#values.set(key, added);
    return added;
  }

  entries(): { labels: Labels; value: V }[] {
    return [...this.#values.values()];
  }
}

/** Counts events by label values since the start of the process. */
export class Tally {
  readonly #counts: LabelledValues<number>;

  /** @param known label sets that start at 0, so that a reader sees the first increase */
  constructor(known: readonly Labels[] = []) {
    this.#counts = new LabelledValues(() => 0, known);
  }

  add(labels: Labels): void {
    this.#counts.get(labels).value += 1;
  }

  entries(): { labels: Labels; value: number }[] {
    return this.#counts.entries();
  }
}

/** How many values were at most as large as each bound. */
export interface Histogram {
  /** Cumulative, as in Prometheus. */
  buckets: { bound: number; count: number }[];
  sum: number;
  count: number;
}

/** Histograms by label values since the start of the process. */
export class Distribution {
  readonly #histograms: LabelledValues<Histogram>;

  /**
   * @param bounds ascending; larger values are only in the count
   * @param known label sets that start at 0
   */
  constructor(bounds: readonly number[], known: readonly Labels[] = []) {
    const empty = (): Histogram => ({
      buckets: bounds.map((bound) => ({ bound, count: 0 })),
      sum: 0,
      count: 0,
    });
    this.#histograms = new LabelledValues(empty, known);
  }

  observe(labels: Labels, value: number): void {
    const { value: histogram } = this.#histograms.get(labels);
    histogram.sum += value;
    histogram.count += 1;
    for (const bucket of histogram.buckets) if (value <= bucket.bound) bucket.count += 1;
  }

  entries(): { labels: Labels; value: Histogram }[] {
    return this.#histograms.entries();
  }
}
