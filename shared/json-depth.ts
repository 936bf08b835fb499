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

/** Whether objects and arrays in JSON text are nested deeper than `limit`. It reads the text once and stops at the limit. */
export function isNestedDeeperThan(json: string, limit: number): boolean {
  let depth = 0;
  for (const [token] of json.matchAll(STRUCTURE)) {
    if (token === '[' || token === '{') {
      depth += 1;
      if (depth > limit) return true;
    } else if (token === ']' || token === '}') depth -= 1;
  }
  return false;
}

/** A bracket, or a complete string: brackets inside it do not count. */
const STRUCTURE = /[[\]{}]|"(?:[^"\\]|\\.)*"?/gs;
