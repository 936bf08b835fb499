import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KeepRule, parseKeepRule } from '../../config/backup-keep.ts';
import { chooseKept, type KeptCandidate } from './choose-kept.ts';

const NOTHING: KeepRule = { hours: 0, days: 0, weeks: 0, months: 0, years: 0 };
const HOUR_MS = 3_600_000;

function candidate(text: string, values: Partial<KeptCandidate> = {}): KeptCandidate {
  const time = new Date(text);
  return { id: text, createdAt: time, storedAt: time, isUndamaged: true, ...values };
}

function keep(times: readonly string[], rule: Partial<KeepRule>, timezone = 'UTC'): string[] {
  const all = times.map((time) => candidate(time));
  return [...chooseKept(all, { ...NOTHING, ...rule }, timezone)].toSorted();
}

describe('BACKUP_KEEP', () => {
  it('is a list of counts', () => {
    expect(parseKeepRule('24h,7d,4w,6m,2y')).toEqual({ hours: 24, days: 7, weeks: 4, months: 6, years: 2 });
    expect(parseKeepRule(' 1d ')).toEqual({ ...NOTHING, days: 1 });
  });

  it.each(['', 'd', '7', '0d', '-1d', '7d,7d', '7d,', '1.5d', '7x', '1001d', '7D'])('refuses %j', (text) => {
    expect(parseKeepRule(text)).toBeNull();
  });
});

describe('kept backups', () => {
  it('are the newest of each period', () => {
    const times = ['2024-01-13T02:00Z', '2024-01-13T12:00Z', '2024-01-14T02:00Z', '2024-01-15T02:00Z'];
    expect(keep(times, { days: 2 })).toEqual(['2024-01-14T02:00Z', '2024-01-15T02:00Z']);
    // 2024-01-15 is a Monday.
    expect(keep(times, { weeks: 2 })).toEqual(['2024-01-14T02:00Z', '2024-01-15T02:00Z']);
    expect(keep(times, { days: 3 })).toEqual(['2024-01-13T12:00Z', '2024-01-14T02:00Z', '2024-01-15T02:00Z']);
    expect(keep(times, { months: 6 })).toEqual(['2024-01-15T02:00Z']);
  });

  it('of an idle database stay: periods without a backup do not count', () => {
    const times = ['2023-01-01T00:00Z', '2023-05-01T00:00Z', '2024-01-01T00:00Z'];
    expect(keep(times, { months: 3 })).toEqual(times);
  });

  it('follow the days of the time zone', () => {
    const times = ['2024-01-14T22:30Z', '2024-01-14T23:30Z', '2024-01-15T22:30Z'];
    expect(keep(times, { days: 9 }, 'UTC')).toEqual(['2024-01-14T23:30Z', '2024-01-15T22:30Z']);
    expect(keep(times, { days: 9 }, 'Europe/Berlin')).toEqual(['2024-01-14T22:30Z', '2024-01-15T22:30Z']);
    // Both hours from 02:00 to 03:00, when daylight saving ends.
    const hours = ['2024-10-27T00:30Z', '2024-10-27T01:30Z'];
    expect(keep(hours, { hours: 9 }, 'Europe/Berlin')).toEqual(hours);
  });

  it('contain the last one made, also after the clock went back', () => {
    const wrong = candidate('2035-01-01T00:00Z', { storedAt: new Date('2024-01-14T00:00Z') });
    const last = candidate('2024-01-15T00:00Z');
    expect([...chooseKept([wrong, last], { ...NOTHING, days: 1 }, 'UTC')].toSorted()).toEqual([
      last.id,
      wrong.id,
    ]);
  });

  it('contain the last undamaged one, however many others follow', () => {
    const undamaged = candidate('2024-01-01T00:00Z');
    const others = Array.from({ length: 50 }, (_, day) =>
      candidate(new Date(Date.UTC(2024, 0, 2 + day)).toISOString(), { isUndamaged: false }),
    );
    const kept = chooseKept([undamaged, ...others], { ...NOTHING, days: 7 }, 'UTC');
    expect(kept.has(undamaged.id)).toBe(true);
    expect(kept.size).toBe(8);
  });
});

const timezones = fc.constantFrom(
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'Pacific/Apia',
  'Asia/Kathmandu',
);
const rules = fc.record({
  hours: fc.nat({ max: 30 }),
  days: fc.integer({ min: 1, max: 9 }),
  weeks: fc.nat({ max: 5 }),
  months: fc.nat({ max: 13 }),
  years: fc.nat({ max: 3 }),
});
const START = Date.UTC(2023, 11, 1);
/** In the order in which they were made. */
const histories = fc
  .array(fc.record({ hoursLater: fc.integer({ min: 1, max: 400 }), isUndamaged: fc.boolean() }), {
    maxLength: 60,
  })
  .map((steps) => {
    let hours = 0;
    return steps.map(({ hoursLater, isUndamaged }, index): KeptCandidate => {
      hours += hoursLater;
      const time = new Date(START + hours * HOUR_MS);
      return { id: `b${index}`, createdAt: time, storedAt: time, isUndamaged };
    });
  });

describe('for every history', () => {
  it('pruning after each backup keeps the same as pruning once', () => {
    fc.assert(
      fc.property(histories, rules, timezones, (history, rule, timezone) => {
        let present: KeptCandidate[] = [];
        for (const backup of history) {
          const all = [...present, backup];
          const kept = chooseKept(all, rule, timezone);
          present = all.filter(({ id }) => kept.has(id));
        }
        expect(new Set(present.map(({ id }) => id))).toEqual(chooseKept(history, rule, timezone));
      }),
    );
  });

  it('the newest and the last undamaged one stay, and a larger rule keeps no fewer', () => {
    fc.assert(
      fc.property(
        histories,
        rules,
        rules,
        timezones,
        fc.boolean(),
        (history, rule, more, timezone, isSkewed) => {
          // A clock that jumps: times by the host are in any order.
          const backups = isSkewed
            ? history.map((backup, index) => ({
                ...backup,
                createdAt: history[(index * 7) % history.length]?.createdAt ?? backup.createdAt,
              }))
            : history;
          const kept = chooseKept(backups, rule, timezone);
          const sum = Object.fromEntries(
            Object.entries(rule).map(([unit, count]) => [unit, count + more[unit as keyof KeepRule]]),
          ) as unknown as KeepRule;
          const larger = chooseKept(backups, sum, timezone);
          expect([...kept].filter((id) => !larger.has(id))).toEqual([]);
          const last = backups.at(-1);
          const lastUndamaged = backups.findLast(({ isUndamaged }) => isUndamaged);
          for (const each of [last, lastUndamaged])
            expect(each === undefined || kept.has(each.id)).toBe(true);
          expect(
            chooseKept(
              backups.filter(({ id }) => kept.has(id)),
              rule,
              timezone,
            ),
          ).toEqual(kept);
        },
      ),
    );
  });

  it('no more are kept than twice the rule says, and the four newest', () => {
    fc.assert(
      fc.property(histories, rules, timezones, (history, rule, timezone) => {
        const most = Object.values(rule).reduce((sum, count) => sum + count, 0);
        expect(chooseKept(history, rule, timezone).size).toBeLessThanOrEqual(2 * most + 4);
      }),
    );
  });
});
