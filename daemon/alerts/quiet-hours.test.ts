import { expect, it } from 'vitest';
import { isQuiet } from './quiet-hours.ts';

const at = (time: string) => new Date(`2026-03-29T${time}Z`);

it.each([
  [{ from: 22 * 60, to: 7 * 60 }, '21:59:59', false],
  [{ from: 22 * 60, to: 7 * 60 }, '22:00:00', true],
  [{ from: 22 * 60, to: 7 * 60 }, '00:00:00', true],
  [{ from: 22 * 60, to: 7 * 60 }, '06:59:59', true],
  [{ from: 22 * 60, to: 7 * 60 }, '07:00:00', false],
  [{ from: 0, to: 24 * 60 }, '23:59:59', true],
  [{ from: 9 * 60 + 30, to: 10 * 60 }, '09:29:00', false],
  [{ from: 9 * 60 + 30, to: 10 * 60 }, '09:30:00', true],
])('in UTC, %o at %s is %s', (hours, time, expected) => {
  expect(isQuiet({ ...hours, timezone: 'UTC' }, at(time))).toBe(expected);
});

it('follows the clock of the time zone when daylight saving begins', () => {
  const hours = { from: 22 * 60, to: 7 * 60, timezone: 'Europe/Berlin' };
  expect(isQuiet(hours, new Date('2026-03-28T05:59:00Z'))).toBe(true);
  expect(isQuiet(hours, new Date('2026-03-28T06:00:00Z'))).toBe(false);
  expect(isQuiet(hours, at('04:59:00'))).toBe(true);
  expect(isQuiet(hours, at('05:00:00'))).toBe(false);
});

it('is never quiet without quiet hours', () => {
  expect(isQuiet(null, at('00:00:00'))).toBe(false);
});
