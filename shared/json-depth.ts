/** SQLite reads JSON that is nested 1,000 deep, and what holds a payload or result nests it a little more. */
export const MAX_JSON_DEPTH = 500;

/** Whether objects and arrays are nested in each other more than `most` deep; without recursion, and circular ones are. */
export function isDeeperThan(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= most; depth += 1) {
    const seen = new Set<object>();
    for (const one of level) if (typeof one === 'object' && one !== null) seen.add(one);
    if (seen.size === 0) return false;
    level = [...seen].flatMap((one) => Object.values(one) as unknown[]);
  }
  return true;
}
