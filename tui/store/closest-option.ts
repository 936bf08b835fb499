/** The known option nearest to an unknown one among `args`, or null when none is near. */
export function closestOption(args: readonly string[], known: readonly string[]): string | null {
  const given = args
    .filter((arg) => arg.startsWith('-'))
    .map((arg) => arg.replace(/^-+/, '').replace(/=.*/, '').toLowerCase())
    .find((name) => name !== '' && !known.includes(name));
  if (given === undefined) return null;
  const ranked = known.map((name) => ({ name, distance: editDistance(given, name) }));
  const best = ranked.toSorted((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= Math.max(2, best.name.length / 3) ? best.name : null;
}

/** Levenshtein's: single characters inserted, removed or replaced. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
