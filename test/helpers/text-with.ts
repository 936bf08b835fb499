import { expect } from 'vitest';

/**
 * Matches a message by its names and values, in any order, so that its wording can change. A number does not match a part
 * of a longer number.
 */
export function textWith(...parts: (string | number)[]): string {
  const lookaheads = parts.map((part) =>
    typeof part === 'number'
      ? `(?=.*(?<!\\d)${part}(?!\\d))`
      : `(?=.*${part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')})`,
  );
  return expect.stringMatching(new RegExp(`^${lookaheads.join('')}`, 's')) as string;
}
