import { expect, test } from 'vitest';
import { withTimes } from './log-times.ts';

const READ_AT = new Date(2026, 10, 21, 12, 0, 0);
const at = (hour: number, minute: number, second: number) =>
  new Date(2026, 10, 21, hour, minute, second).toISOString();

test('a line has the time at its start, or the time of the line before it', () => {
  const lines = [
    'banner',
    '2026/11/21 11:50:51 Server started',
    '├─ REST API',
    '2026/11/21 11:51:07 stopped',
  ];
  expect(withTimes(lines, READ_AT)).toEqual([
    { at: at(11, 50, 51), text: lines[0] },
    { at: at(11, 50, 51), text: lines[1] },
    { at: at(11, 50, 51), text: lines[2] },
    { at: at(11, 51, 7), text: lines[3] },
  ]);
});

test('a line without a time, or with a time in the future, has the time of the reading', () => {
  expect(withTimes(['one', '2027/01/01 00:00:00 two'], READ_AT).map((line) => line.at)).toEqual([
    READ_AT.toISOString(),
    READ_AT.toISOString(),
  ]);
});
