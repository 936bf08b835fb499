import { expect, it } from 'vitest';
import { type DiskEstimate, diskStateAfter, nextDiskStep, untilDue } from './disk-limit.ts';

const MIB = 1024 * 1024;

it('warns at 80 %, refuses at 100 % and releases below 95 %', () => {
  expect(diskStateAfter('free', 79, 100)).toBe('free');
  expect(diskStateAfter('free', 80, 100)).toBe('near');
  expect(diskStateAfter('near', 99, 100)).toBe('near');
  expect(diskStateAfter('near', 100, 100)).toBe('over');
  expect(diskStateAfter('over', 95, 100)).toBe('over');
  expect(diskStateAfter('over', 94, 100)).toBe('near');
  expect(diskStateAfter('over', 10, 100)).toBe('free');
  expect(diskStateAfter('over', 1e15, null)).toBe('free');
});

const small: DiskEstimate = {
  state: 'free',
  limit: 1024 * MIB,
  bytes: 1 * MIB,
  written: 0,
  sinceWalkMs: 10_000,
  walkMs: 5,
};

it.each<[string, Partial<DiskEstimate>, 'walk' | number]>([
  ['measures a database that it does not know', { bytes: null }, 'walk'],
  ['waits for what is left at the highest rate', { written: 511 * MIB }, 2_000],
  ['waits at least a second', { state: 'near', bytes: 1000 * MIB, written: 23 * MIB }, 1_000],
  ['waits at most a minute', { limit: 1e12 }, 60_000],
  ['measures when it may be over its limit', { state: 'near', written: 1023 * MIB }, 'walk'],
  ['measures when it may be near its limit', { written: 820 * MIB }, 'walk'],
  ['leaves time between slow measurements', { written: 1023 * MIB, walkMs: 3_000 }, 20_000],
  ['corrects its estimate', { sinceWalkMs: 300_000 }, 'walk'],
  ['assumes the highest rate without a counter', { written: null, sinceWalkMs: 4_000 }, 'walk'],
  ['does not measure a full database that writes nothing', { state: 'over', bytes: 1100 * MIB }, 5_000],
  ['measures a full database after it wrote, as by a deletion', { state: 'over', written: 1 }, 'walk'],
  ['measures a full database not too often', { state: 'over', written: 1, sinceWalkMs: 2_000 }, 3_000],
])('%s', (_, changes, step) => {
  expect(nextDiskStep({ ...small, ...changes })).toBe(step);
});

it('never waits a negative time while a measurement takes longer than its wait', () => {
  expect([300, 0, -5_000].map((dueInMs) => untilDue(dueInMs, 5_000))).toEqual([300, 1_000, 1_000]);
  expect([3_000, -1].map((dueInMs) => untilDue(dueInMs, 500))).toEqual([500, 500]);
});
