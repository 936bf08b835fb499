interface Collection<K> {
  readonly size: number;
  keys(): IterableIterator<K>;
  delete(key: K): boolean;
}

/**
 * Keeps a map or set bounded: call it after each insertion. Entries have the order of their insertion, so delete and add an
 * entry again to mark it as recently used.
 *
 * @returns the oldest key, which was removed; undefined when there are at most `max` entries
 */
export function removeOldestOver<K>(collection: Collection<K>, max: number): K | undefined {
  if (collection.size <= max) return undefined;
  const [oldest] = collection.keys();
  if (oldest !== undefined) collection.delete(oldest);
  return oldest;
}

/** The first items, at most `count`. */
export function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length >= count) break;
    first.push(item);
  }
  return first;
}
