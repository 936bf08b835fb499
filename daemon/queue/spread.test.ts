import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { nextRun } from '../base/time/cron.ts';
import { Spread } from './spread.ts';

const NAMES = Array.from({ length: 200 }, (_, index) => `2026-01-15-${String(index).padStart(3, '0')}-ann`);
const SCHEDULES = [
  { cron: '0 2 * * *', timezone: 'Europe/Berlin' },
  { cron: '30 2 * * *', timezone: 'America/New_York' },
  { cron: '*/7 * * * *', timezone: 'UTC' },
  { cron: '15 0 1 * *', timezone: 'Australia/Lord_Howe' },
  { cron: '* * * * * *', timezone: 'UTC' },
];
/** Seconds: all at once, usual ones, and longer than the time between two matches. */
const SPREADS = [0, 1, 3_600, 86_400, 2_678_400];
/** Days on which daylight saving begins or ends, and any other. */
const MOMENTS = fc.oneof(
  fc.date({ min: new Date('2024-01-01'), max: new Date('2027-01-01'), noInvalidDate: true }),
  ...['2026-03-08', '2026-03-29', '2026-04-04', '2026-10-03', '2026-10-25', '2026-11-01'].map((day) =>
    fc.date({
      min: new Date(`${day}T00:00:00Z`),
      max: new Date(Date.parse(day) + 36 * 3_600_000),
      noInvalidDate: true,
    }),
  ),
);

function around(schedule: { cron: string; timezone: string; spread_s: number }, now: Date): Spread {
  return Spread.around({ name: 'nightly', ...schedule }, now) ?? expect.fail('it does not match again');
}

it('has one time for each database in each interval, whenever it is asked', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SCHEDULES),
      fc.constantFrom(...SPREADS),
      MOMENTS,
      fc.constantFrom(...NAMES),
      (times, spread_s, now, database) => {
        const schedule = { ...times, spread_s };
        const spread = around(schedule, now);
        const next = spread.nextMs([database]);
        expect(next).toBeGreaterThan(now.getTime());
        // The last time of that moment, and of every moment until the one after it.
        expect(around(schedule, new Date(next)).lastMs(database)).toBe(next);
        expect(around(schedule, new Date(next - 1)).lastMs(database)).toBe(spread.lastMs(database));
        const second = around(schedule, new Date(next)).nextMs([database]);
        expect(around(schedule, new Date(second - 1)).lastMs(database)).toBe(next);
        // The next time follows the next match, and not later than the window allows.
        const match = nextRun(schedule.cron, schedule.timezone, new Date(next));
        expect(second).toBeGreaterThanOrEqual(Number(match));
        expect(second - Number(match)).toBeLessThanOrEqual(spread_s * 1000);
        expect(spread.lastMs(database)).toBeLessThanOrEqual(now.getTime());
      },
    ),
  );
});

it('spreads databases evenly over the window', () => {
  const now = new Date('2026-01-15T01:00:00Z');
  const spread = around({ cron: '0 2 * * *', timezone: 'UTC', spread_s: 3_600 }, now);
  const perMinute = new Map<number, number>();
  for (const name of NAMES) {
    const minute = Math.floor((spread.nextMs([name]) - Date.parse('2026-01-15T02:00:00Z')) / 60_000);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  expect(Math.min(...perMinute.keys())).toBeGreaterThanOrEqual(0);
  expect(Math.max(...perMinute.keys())).toBeLessThan(60);
  expect(perMinute.size).toBeGreaterThan(45);
  expect(Math.max(...perMinute.values())).toBeLessThan(12);
});

it('differs between schedules, so that one database does not have all of them at once', () => {
  const daily = { cron: '@daily', timezone: 'UTC', spread_s: 3_600 };
  const [a, b] = ['a', 'b'].map((name) =>
    Spread.around({ ...daily, name }, new Date('2026-01-15T12:00:00Z'))?.nextMs([NAMES[0] ?? '']),
  );
  expect(a).not.toBe(b);
});

it('is the expression without databases, and nothing after the last match', () => {
  const now = new Date('2026-01-15T10:00:00Z');
  const daily = { cron: '0 2 * * *', timezone: 'UTC', spread_s: 3_600 };
  expect(around(daily, now).nextMs([])).toBe(Date.parse('2026-01-16T02:00:00Z'));
  expect(Spread.around({ ...daily, name: 'x', cron: '2024-01-15T03:00:00' }, now)).toBeNull();
});
