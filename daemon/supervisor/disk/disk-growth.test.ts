import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { areOnOneDisk, DiskGrowth } from './disk-growth.ts';

const MIB = 1024 * 1024;

describe('the growth of a disk', () => {
  let time: ManualTime;
  let free: number | null;
  let growth: DiskGrowth;

  beforeEach(() => {
    time = new ManualTime();
    free = 1000 * MIB;
    growth = new DiskGrowth(time, () => free);
  });

  const mustReadAll = () => growth.mustReadAll(64 * MIB);

  it('is read once in a minute while the free space stays', async () => {
    const times: number[] = [];
    for (let second = 0; second <= 120; second += 1) {
      if (mustReadAll()) times.push(second);
      await time.advance(1_000);
    }
    expect(times).toEqual([0, 60, 120]);
  });

  it('is noticed when the free space has fallen since the last reading, also slowly', () => {
    mustReadAll();
    const answers: boolean[] = [];
    for (let step = 0; step < 8; step += 1) {
      free = (free ?? 0) - 16 * MIB;
      answers.push(mustReadAll());
    }
    expect(answers).toEqual([false, false, false, true, false, false, false, true]);
  });

  it('is noticed after space was freed', () => {
    mustReadAll();
    free = 1500 * MIB;
    expect(mustReadAll()).toBe(false);
    free = 1436 * MIB;
    expect(mustReadAll()).toBe(true);
  });

  it('is unknown without the free space, so all are read', () => {
    mustReadAll();
    free = null;
    expect([mustReadAll(), mustReadAll()]).toEqual([true, true]);
    free = 1000 * MIB;
    expect(mustReadAll()).toBe(false);
  });
});

it('tells directories of one disk from others', async () => {
  const directory = await scratch();
  expect(await areOnOneDisk(directory, directory)).toBe(true);
  expect(await areOnOneDisk(directory, '/proc')).toBe(false);
  expect(await areOnOneDisk(directory, join(directory, 'missing'))).toBe(false);
});
