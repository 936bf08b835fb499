import { expect, it } from 'vitest';
import {
  growthCheckOf,
  isFarFromBound,
  nextUploadCheck,
  nextUploadStep,
  uploadBoundOf,
} from './upload-bound.ts';

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

it.each([
  [false, 64 * MIB, 500],
  [true, 2 * MIB, 250],
])('held %s: looks for growth before the least bound can be passed', (isHeld, afterBytes, everyMs) => {
  expect(growthCheckOf({ isHeld })).toEqual({ afterBytes, everyMs });
});

const quiet = { bytes: 0, written: 0, sinceMs: 10_000, bound: 1024 * MIB };

it.each<[string, Partial<typeof quiet> | { bytes: null } | { written: null }, 'measure' | number]>([
  ['measures a process that it does not know', { bytes: null }, 'measure'],
  ['measures a process that cannot be read', { written: null }, 'measure'],
  ['waits for what is left at the highest rate', { written: 512 * MIB }, 500],
  ['waits at least 250 ms', { written: 1020 * MIB }, 250],
  ['measures what may be over the bound', { bytes: 24 * MIB, written: 1000 * MIB }, 'measure'],
  ['leaves time between measurements', { written: 1024 * MIB, sinceMs: 200 }, 50],
  ['corrects what is written', { written: 1 * MIB, sinceMs: 60_000 }, 'measure'],
  ['leaves an idle process alone', { written: 20_000, sinceMs: 60_000, bound: 1e12 }, 5_000],
  ['measures also without writes', { sinceMs: 300_000 }, 'measure'],
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

it.each<[Partial<typeof quiet> | { bytes: null } | { written: null }, boolean]>([
  [{}, true],
  [{ bytes: 255 * MIB, written: 256 * MIB }, true],
  [{ bytes: 256 * MIB, written: 256 * MIB }, false],
  [{ bytes: null }, false],
  [{ written: null }, false],
])('%o is far from its bound: %s', (changes, isFar) => {
  expect(isFarFromBound({ ...quiet, ...changes })).toBe(isFar);
});
