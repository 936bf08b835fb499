import { expect, it } from 'vitest';
import { pointsOf, valuesOfLastDay } from './last-day.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const sample = (at: string, disk_bytes: number | null) => ({
  at,
  disk_bytes,
  memory_bytes: null,
  cpu_percent: null,
});

it('takes what was read in the last day', () => {
  const hours = [
    sample('2026-11-26T11:00:00Z', 1),
    sample('2026-11-26T13:00:00Z', 2),
    sample('2026-11-27T10:00:00Z', null),
    sample('2026-11-27T11:00:00Z', 3),
  ];
  expect(valuesOfLastDay(hours, 'disk_bytes', NOW)).toEqual([2, 3]);
  expect(valuesOfLastDay(hours, 'memory_bytes', NOW)).toEqual([]);
});

it('draws the lowest value at the bottom', () => {
  expect(pointsOf([10, 30, 20], 100, 20)).toBe('0,20 50,0 100,10');
  expect(pointsOf([5, 5], 100, 20)).toBe('0,10 100,10');
});
