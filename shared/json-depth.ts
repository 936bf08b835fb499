/** SQLite reads JSON up to 1,000 levels deep. Payloads and results are stored inside other JSON, which adds a few. */
export const MAX_JSON_DEPTH = 500;

/** Whether objects and arrays are nested deeper than `limit`; true for circular values. Works without recursion. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= limit; depth += 1) {
    const seen = new Set<object>();
    for (const one of level) if (typeof one === 'object' && one !== null) seen.add(one);
    if (seen.size === 0) return false;
    level = [...seen].flatMap((one) => Object.values(one) as unknown[]);
  }
  return true;
}
