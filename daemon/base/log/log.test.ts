import { expect, it } from 'vitest';
import { goesToJournal, journalPrefix } from './log.ts';

it('recognizes the journal by the inode of the output', () => {
  expect(goesToJournal('9:4711', { dev: 9, ino: 4711 })).toBe(true);
  expect(goesToJournal('9:4711', { dev: 9, ino: 4712 })).toBe(false);
  expect(goesToJournal(undefined, { dev: 9, ino: 4711 })).toBe(false);
});

it.each([
  [10, '<7>'],
  [20, '<7>'],
  [30, '<6>'],
  [40, '<4>'],
  [50, '<3>'],
  [60, '<2>'],
])('level %d is priority %s', (level, prefix) => {
  expect(journalPrefix(level)).toBe(prefix);
});
