import { expect, it } from 'vitest';
import { niceOf } from './priority.ts';

it.each([-20, -5, 0, 10, 18, 19])('puts user instances behind a daemon with the value %i', (own) => {
  expect(niceOf('global', own)).toBe(own);
  expect(niceOf('user', own)).toBe(Math.min(19, own + 5));
});
