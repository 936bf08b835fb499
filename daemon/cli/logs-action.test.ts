import { describe, expect, it } from 'vitest';
import { linesToPrint } from './logs-action.ts';

function lines(text: string) {
  return text.split('').map((letter) => ({ at: 'now', text: letter }));
}

function shown(snapshot: string, printed: string | null, tail = 200): string {
  return linesToPrint(lines(snapshot), printed === null ? null : printed.split(''), tail)
    .map(({ text }) => text)
    .join('');
}

describe('linesToPrint', () => {
  it.each([
    ['the last ones of the first snapshot', 'abc', null, 2, 'bc'],
    ['none when none are wanted', 'abc', null, 0, ''],
    ['all there are', 'abc', null, 9, 'abc'],
  ])('shows %s', (_what, snapshot, printed, tail, expected) => {
    expect(shown(snapshot, printed, tail)).toBe(expected);
  });

  it.each([
    ['only what is new after a reconnection', 'abcde', 'abc', 'de'],
    ['nothing when nothing is new', 'abc', 'abc', ''],
    ['what is new although the first lines have gone', 'cde', 'abc', 'de'],
    ['what is new where lines repeat', 'aaab', 'aa', 'b'],
    ['everything when nothing is known any more', 'xyz', 'abc', 'xyz'],
    ['everything when nothing was printed yet', 'abc', '', 'abc'],
  ])('shows %s', (_what, snapshot, printed, expected) => {
    expect(shown(snapshot, printed)).toBe(expected);
  });
});
