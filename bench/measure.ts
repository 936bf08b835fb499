/** Small statistics and the form in which every benchmark reports. */
import { readFile } from 'node:fs/promises';

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The value below which that share of all lies; `share` between 0 and 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
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

export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Runs `work` `count` times, some at a time. Returns how many ended per second. */
export async function ratePerSecond(
  count: number,
  connections: number,
  work: (index: number) => Promise<void>,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  const connection = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await work(index);
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return count / ((performance.now() - started) / 1000);
}
