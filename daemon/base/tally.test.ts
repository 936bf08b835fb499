import { expect, it } from 'vitest';
import { Distribution, Tally } from './tally.ts';

it('counts by labels', () => {
  const tally = new Tally();
  tally.add(['GET', '200']);
  tally.add(['GET', '200']);
  tally.add(['GET', '404']);
  expect(tally.entries()).toEqual([
    { labels: ['GET', '200'], value: 2 },
    { labels: ['GET', '404'], value: 1 },
  ]);
});

it('counts label sets beyond the limit as `other`', () => {
  const tally = new Tally();
  for (let index = 0; index < 5_000; index++) tally.add([`label-${index}`, 'x']);
  expect(tally.entries()).toHaveLength(1_001);
  expect(tally.entries().at(-1)).toEqual({ labels: ['other', 'other'], value: 4_000 });
});

it('adds a value to every bucket whose bound is at least as large', () => {
  const distribution = new Distribution([0.1, 1]);
  for (const value of [0.1, 0.5, 7]) distribution.observe([], value);
  expect(distribution.entries()).toEqual([
    {
      labels: [],
      value: {
        buckets: [
          { bound: 0.1, count: 1 },
          { bound: 1, count: 2 },
        ],
        sum: 7.6,
        count: 3,
      },
    },
  ]);
});
