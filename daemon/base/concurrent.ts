/**
 * Works on items, some at a time, in their order. After an error no other item begins.
 *
 * @throws the first error, when all work in progress has ended
 */
export async function forEachConcurrent<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const next = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const takeItems = async () => {
    for (let item = next.next(); !item.done && failures.length === 0; item = next.next()) {
      try {
        await work(item.value);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, takeItems));
  if (failures.length > 0) throw failures[0];
}

/** Reads items ahead, at most `limit`, and yields the results in the order of the items. */
export async function* readAhead<T, R>(
  items: Iterable<T>,
  limit: number,
  read: (item: T) => Promise<R>,
): AsyncIterable<R> {
  const pending: Promise<R>[] = [];
  for (const item of items) {
    const result = read(item);
    // Reported when it is its turn.
    result.catch(() => {});
    pending.push(result);
    const [first] = pending;
    if (first === undefined || pending.length < limit) continue;
    yield await first;
    void pending.shift();
  }
  for (const result of pending) yield await result;
}
