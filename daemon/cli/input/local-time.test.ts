import { expect, it } from 'vitest';
import { parseLocalTime } from './local-time.ts';

const NOW = new Date(2026, 10, 27, 15, 0, 0, 123);

it.each([
  ['14:05:30', new Date(2026, 10, 27, 14, 5, 30)],
  ['9:05', new Date(2026, 10, 27, 9, 5)],
  ['2026-11-26T14:05:30', new Date(2026, 10, 26, 14, 5, 30)],
  ['2026-11-26 14:05:30', new Date(2026, 10, 26, 14, 5, 30)],
  ['2028-02-29T00:00:00Z', new Date(Date.UTC(2028, 1, 29))],
  ['2026-11-26T14:05:30Z', new Date(Date.UTC(2026, 10, 26, 14, 5, 30))],
  ['2026-11-26T14:05:30+01:00', new Date(Date.UTC(2026, 10, 26, 13, 5, 30))],
])('reads %s', (text, time) => {
  expect(parseLocalTime(text, NOW)).toEqual(time);
});

it.each([
  '',
  'yesterday',
  '24:00:00',
  '14:60',
  '2026-13-01T00:00:00Z',
  '2026-11-26',
  '2026-02-29T10:00:00Z',
  '2026-02-30 10:00',
  '2026-11-31T10:00:00',
])('refuses %j', (text) => {
  expect(() => parseLocalTime(text, NOW)).toThrow('is not a time');
});
