import { expect, it } from 'vitest';
import { nextSignInStep, QUIET_MS } from './sign-in-step.ts';

it.each([
  [false, false, QUIET_MS, 'wait'],
  [false, true, 0, 'limit'],
  [true, true, 0, 'keep'],
  [true, false, QUIET_MS - 1, 'wait'],
  [true, false, QUIET_MS, 'release'],
])('limited %s, attacked %s, %i ms quiet: %s', (isLimited, isAttacked, quietMs, step) => {
  expect(nextSignInStep({ isLimited, isAttacked, quietMs })).toBe(step);
});
