import { describe, expect, it } from 'vitest';
import { type DiskReading, nextReserveStep, reserveBytesOf, spareBytesOf } from './reserve-rule.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

it('reserves at most a twentieth of the disk', () => {
  expect(reserveBytesOf(256 * MIB, 100 * GIB)).toBe(256 * MIB);
  expect(reserveBytesOf(256 * MIB, 1000 * MIB)).toBe(50 * MIB);
  expect(reserveBytesOf(0, 100 * GIB)).toBe(0);
});

it('lets other work stop before databases are held', () => {
  for (const fileBytes of [0, 256 * MIB]) {
    const freeBytes = spareBytesOf({ reserveBytes: 256 * MIB, fileBytes });
    expect(nextReserveStep({ ...ready, freeBytes, fileBytes }, true).isHeld).toBe(false);
  }
  expect(spareBytesOf({ reserveBytes: 0, fileBytes: 0 })).toBe(0);
});

const ready: DiskReading = {
  freeBytes: 10 * GIB,
  fileBytes: 256 * MIB,
  reserveBytes: 256 * MIB,
  freeFiles: 600_000,
  maxFiles: 1_000_000,
};

describe('the disk reserve', () => {
  it.each<[string, Partial<DiskReading>, boolean, object]>([
    ['waits while there is space', {}, false, { isHeld: false, file: 'keep', waitMs: 2_000 }],
    ['creates a missing file', { fileBytes: 0 }, false, { isHeld: false, file: 'create' }],
    [
      'creates none for which there is no room',
      { fileBytes: 0, freeBytes: 300 * MIB },
      false,
      { isHeld: true, file: 'keep' },
    ],
    [
      'holds below half of the reserve',
      { freeBytes: 127 * MIB },
      false,
      { isHeld: true, file: 'keep', waitMs: 500 },
    ],
    ['does not hold above', { freeBytes: 129 * MIB }, false, { isHeld: false, file: 'keep', waitMs: 500 }],
    ['holds on until there is clearly more', { freeBytes: 190 * MIB }, true, { isHeld: true, file: 'keep' }],
    ['ends the hold', { freeBytes: 193 * MIB }, true, { isHeld: false, file: 'keep' }],
    ['releases the file on a full disk', { freeBytes: 15 * MIB }, true, { isHeld: true, file: 'release' }],
    ['has nothing left to release', { freeBytes: 0, fileBytes: 0 }, true, { isHeld: true, file: 'keep' }],
    [
      'stays held after the release',
      { freeBytes: 271 * MIB, fileBytes: 0 },
      true,
      { isHeld: true, file: 'keep' },
    ],
    [
      'creates the file again later',
      { freeBytes: 449 * MIB, fileBytes: 0 },
      true,
      { isHeld: false, file: 'create' },
    ],
    ['holds with few inodes', { freeFiles: 19_999 }, false, { isHeld: true, file: 'keep' }],
    ['holds on until there are clearly more', { freeFiles: 24_999 }, true, { isHeld: true }],
    ['ends the hold with more inodes', { freeFiles: 25_000 }, true, { isHeld: false }],
    ['holds on a small disk with a twentieth', { freeFiles: 49, maxFiles: 1_000 }, false, { isHeld: true }],
    ['allows the rest of a small disk', { freeFiles: 50, maxFiles: 1_000 }, false, { isHeld: false }],
    ['knows disks without inodes', { freeFiles: 0, maxFiles: 0 }, false, { isHeld: false }],
    ['creates a larger file', { fileBytes: 64 * MIB }, false, { isHeld: false, file: 'create' }],
    ['removes a file that is too large', { fileBytes: 512 * MIB }, false, { isHeld: false, file: 'release' }],
    ['removes the file without a reserve', { reserveBytes: 0 }, false, { isHeld: false, file: 'release' }],
    [
      'does nothing without a reserve',
      { reserveBytes: 0, fileBytes: 0, freeBytes: 0, freeFiles: 0 },
      true,
      { isHeld: false, file: 'keep' },
    ],
  ])('%s', (_, changes, wasHeld, step) => {
    expect(nextReserveStep({ ...ready, ...changes }, wasHeld)).toMatchObject(step);
  });
});
