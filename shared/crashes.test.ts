import { expect, it } from 'vitest';
import { crashRate, isCrashLoop } from './crashes.ts';

const START = Date.UTC(2024, 0, 15, 10);
const crashes = (count: number, seconds: number) => ({
  count,
  since: new Date(START).toISOString(),
  last_at: new Date(START + seconds * 1000).toISOString(),
});

it.each([
  [1, 0, '1 crash'],
  [2, 0.2, '2 crashes in 1 second'],
  [5, 119, '5 crashes in 119 seconds'],
  [12, 600, '12 crashes in 10 minutes'],
  [40, 3600 * 1.9, '40 crashes in 114 minutes'],
  [480, 3600 * 12, '480 crashes in 12 hours'],
  [900, 86_400 * 3, '900 crashes in 3 days'],
])('%i crashes within %i s are shown as %s', (count, seconds, text) => {
  expect(crashRate(crashes(count, seconds))).toBe(text);
});

it('three crashes in a row are a loop', () => {
  expect([null, crashes(1, 0), crashes(2, 1), crashes(3, 2)].map(isCrashLoop)).toEqual([
    false,
    false,
    false,
    true,
  ]);
});
