import { describe, expect, it } from 'vitest';
import { reconnectDelay } from './stream-backoff.ts';

describe('reconnectDelay', () => {
  it('doubles its ceiling up to the cap, however long it goes on', () => {
    expect([1, 2, 3, 4, 5, 1000].map((attempt) => reconnectDelay(attempt, 1))).toEqual([
      500, 1000, 2000, 4000, 5000, 5000,
    ]);
  });

  it('spreads over the whole range', () => {
    expect(reconnectDelay(3, 0)).toBe(0);
    expect(reconnectDelay(3, 0.25)).toBe(500);
  });
});
