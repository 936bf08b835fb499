import { expect, it } from 'vitest';
import { goMemoryLimit, oomScoreOf } from './memory-settings.ts';

it('gives the Go runtime a part of the limit, or of the host', () => {
  expect(goMemoryLimit(1000, 8000)).toBe(800);
  expect(goMemoryLimit(null, 8000)).toBe(2000);
});

it.each([-1000, -500, -100, 0, 300, 900, 1000])(
  'lets the kernel end user instances first, and a daemon with the value %i last',
  (own) => {
    const [global, user] = [oomScoreOf('global', own), oomScoreOf('user', own)];
    expect(user).toBeLessThanOrEqual(1000);
    expect(global).toBeGreaterThanOrEqual(0);
    // At the maximum, all are equal.
    if (own < 1000) expect(global).toBeGreaterThan(own);
    if (own < 900) expect(user).toBeGreaterThan(global);
  },
);
