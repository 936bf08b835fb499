import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { Buckets } from './buckets.ts';

it('allows the capacity at once, then one token per interval', async () => {
  const time = new ManualTime();
  const buckets = new Buckets({ capacity: 3, windowMs: 3000, clock: time });
  for (let count = 0; count < 3; count += 1) {
    expect(buckets.waitMs('a')).toBe(0);
    buckets.take('a');
  }
  expect(buckets.waitMs('a')).toBe(1000);
  expect(buckets.waitMs('b')).toBe(0);
  await time.advance(999);
  expect(buckets.waitMs('a')).toBe(1);
  await time.advance(1);
  expect(buckets.waitMs('a')).toBe(0);
});

it('takes tokens back and forgets keys', () => {
  const buckets = new Buckets({ capacity: 1, windowMs: 1000, clock: new ManualTime() });
  buckets.take('a');
  expect(buckets.waitMs('a')).toBe(1000);
  buckets.giveBack('a');
  expect(buckets.waitMs('a')).toBe(0);
  buckets.take('a');
  buckets.forget('a');
  expect(buckets.waitMs('a')).toBe(0);
});
