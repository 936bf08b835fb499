/** Small statistics and the form in which every benchmark reports. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Result {
  name: string;
  /** What was measured, in words: ours against the peer. */
  compares: string;
  value: number;
  /** The value must not be above this. */
  bar: number;
  unit: string;
  /** Medians and counts behind the value. */
  details: string;
}

export function report(result: Result): boolean {
  const met = result.value <= result.bar;
  console.log(
    `${met ? 'met   ' : 'MISSED'}  ${result.name}: ${result.value.toFixed(2)}${result.unit} (bar: at most ${result.bar}${result.unit})\n` +
      `        ${result.compares}\n        ${result.details}`,
  );
  return met;
}

export function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
