import { expect, it } from 'vitest';
import { barsOf } from './instance-usage.ts';

const HOUR = 3_600_000;
const now = Date.UTC(2026, 0, 8, 13, 30);
const sample = (hoursAgo: number, disk_bytes: number | null) => ({
  at: new Date(now - hoursAgo * HOUR).toISOString(),
  disk_bytes,
  memory_bytes: null,
  cpu_percent: null,
});
const bars = (...samples: ReturnType<typeof sample>[]) =>
  barsOf(samples, ({ disk_bytes }) => disk_bytes, { bars: 4, barMs: 2 * HOUR, now });

it('puts the highest value of each time into its bar, and leaves gaps', () => {
  expect(bars(sample(7, 1), sample(4.5, 5), sample(4, 4), sample(0, 0))).toEqual([1, 5, null, 0]);
});

it('leaves out what is unknown, too old or in the future', () => {
  expect(bars(sample(100, 1), sample(2, null), sample(-3, 9))).toEqual([null, null, null, null]);
});
