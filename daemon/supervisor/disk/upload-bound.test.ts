import { expect, it } from 'vitest';
import { nextUploadCheck, nextUploadStep, uploadBoundOf } from './upload-bound.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 60 * 60_000;

it.each([
  [30 * MIB, 512 * MIB],
  [1024 * MIB, 2048 * MIB],
  [1e15, 2192 * MIB],
  [null, 2192 * MIB],
])('a disk limit of %s bytes allows %i bytes of temporary files', (limit, bound) => {
  expect(uploadBoundOf(limit, { isHeld: false })).toBe(bound);
  expect(uploadBoundOf(limit, { isHeld: true })).toBe(16 * MIB);
});

const quiet = { bytes: 0, written: 0, sinceMs: 10_000, bound: 1024 * MIB };

it.each<[string, Partial<typeof quiet> | { bytes: null } | { written: null }, 'measure' | number]>([
  ['measures a process that it does not know', { bytes: null }, 'measure'],
  ['measures a process that cannot be read', { written: null }, 'measure'],
  ['waits for what is left at the highest rate', { written: 512 * MIB }, 500],
  ['waits at least 250 ms', { written: 1020 * MIB }, 250],
  ['measures what may be over the bound', { bytes: 24 * MIB, written: 1000 * MIB }, 'measure'],
  ['leaves time between measurements', { written: 1024 * MIB, sinceMs: 200 }, 50],
  ['measures also without writes', { sinceMs: 60_000 }, 'measure'],
])('%s', (_, changes, step) => {
  expect(nextUploadCheck({ ...quiet, ...changes })).toBe(step);
});

it.each([
  [false, false, false, 25 * HOUR_MS, HOUR_MS, 'wait'],
  [true, false, false, 0, 0, 'limit'],
  [true, true, false, 0, 0, 'limit'],
  [true, true, true, 0, 59_999, 'wait'],
  [true, true, true, 0, 60_000, 'restart'],
  [false, true, true, 23 * HOUR_MS, HOUR_MS, 'wait'],
  [false, true, true, 24 * HOUR_MS, HOUR_MS, 'release'],
])(
  'over %s, limited %s, process limited %s, %i ms quiet, restarted %i ms ago: %s',
  (isOver, isLimited, hasLimits, quietMs, sinceRestartMs, step) => {
    expect(nextUploadStep({ isOver, isLimited, hasLimits, quietMs, sinceRestartMs })).toBe(step);
  },
);
