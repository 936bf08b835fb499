import { expect, it } from 'vitest';
import { OpenAttempts } from './open-attempts.ts';

it('returns each attempt once, and drops the oldest one beyond the limit', () => {
  const dropped: string[] = [];
  const open = new OpenAttempts<string>(2, (attempt) => dropped.push(attempt));
  const [first, second, third] = ['a', 'b', 'c'].map((attempt) => open.add(attempt));
  expect(dropped).toEqual(['a']);
  expect(open.take(first ?? '')).toBeUndefined();
  expect(open.take(second ?? '')).toBe('b');
  expect(open.take(second ?? '')).toBeUndefined();
  expect(open.take(third ?? '')).toBe('c');
});
