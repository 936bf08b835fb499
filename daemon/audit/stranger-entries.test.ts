import { expect, it } from 'vitest';
import { MAX_PER_MINUTE, StrangerEntries } from './stranger-entries.ts';

it('keeps a number of entries per minute, and counts the others', () => {
  const entries = new StrangerEntries();
  const first = new Date('2026-01-01T00:00:00Z');
  const results = Array.from({ length: MAX_PER_MINUTE + 50 }, () => entries.take(first));
  expect(results.filter((omitted) => omitted === 0)).toHaveLength(MAX_PER_MINUTE);
  expect(results.slice(MAX_PER_MINUTE).every((omitted) => omitted === null)).toBe(true);
  const next = new Date('2026-01-01T00:01:00Z');
  expect(entries.take(next)).toBe(50);
  expect(entries.take(next)).toBe(0);
});
