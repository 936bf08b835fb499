import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Inactivity } from '../../usage/inactivity-table.ts';
import { afterJump, DAY_MS, nextStep } from './inactivity-rule.ts';

const START = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

const day = (days: number) => START + days * DAY_MS;
const fresh = (countedFromMs = START): Inactivity => ({
  countedFromMs,
  weekNoticeAtMs: null,
  dayNoticeAtMs: null,
  isArchived: false,
});
const at = (nowDays: number, stored: Partial<Inactivity> = {}, lastUsedDays: number | null = 0, days = 30) =>
  nextStep({
    nowMs: day(nowDays),
    days,
    lastUsedAtMs: lastUsedDays === null ? null : day(lastUsedDays),
    stored: { ...fresh(), ...stored },
  });

it('sends a notice a week and a day before, and then archives', () => {
  expect(at(22.9)).toMatchObject({ kind: 'none', archiveAtMs: day(30), noticedAtMs: null });
  expect(at(23)).toMatchObject({ kind: 'notice', notice: 'week', archiveAtMs: day(30) });
  const week = { weekNoticeAtMs: day(23) };
  expect(at(28.9, week)).toMatchObject({ kind: 'none', archiveAtMs: day(30), noticedAtMs: day(23) });
  expect(at(29, week)).toMatchObject({ kind: 'notice', notice: 'day', archiveAtMs: day(30) });
  const both = { ...week, dayNoticeAtMs: day(29) };
  expect(at(29.9, both)).toMatchObject({ kind: 'none', noticedAtMs: day(29) });
  expect(at(30, both)).toMatchObject({ kind: 'archive', archiveAtMs: day(30) });
});

it('a notice that is late delays the archiving', () => {
  expect(at(200)).toMatchObject({ kind: 'notice', notice: 'week', archiveAtMs: day(207) });
  expect(at(205, { weekNoticeAtMs: day(200) })).toMatchObject({ kind: 'none', archiveAtMs: day(207) });
  expect(at(300, { weekNoticeAtMs: day(200) })).toMatchObject({
    kind: 'notice',
    notice: 'day',
    archiveAtMs: day(301),
  });
  const both = { weekNoticeAtMs: day(200), dayNoticeAtMs: day(300) };
  expect([at(300.9, both).kind, at(301, both).kind]).toEqual(['none', 'archive']);
});

it('a use makes notices void', () => {
  const both = { weekNoticeAtMs: day(23), dayNoticeAtMs: day(29) };
  expect(at(30, both, 29.5)).toMatchObject({ kind: 'none', archiveAtMs: day(59.5), noticedAtMs: null });
  expect(at(53, both, 29.5)).toMatchObject({ kind: 'notice', notice: 'week' });
});

it('counts a database without a known use from the begin of the count', () => {
  expect(at(22, {}, null).kind).toBe('none');
  expect(at(23, {}, null)).toMatchObject({ kind: 'notice', notice: 'week', archiveAtMs: day(30) });
  // It came back after its last use.
  expect(at(30, fresh(day(20)), -90)).toMatchObject({ kind: 'none', archiveAtMs: day(50) });
});

it('a longer time makes notices void, a shorter one keeps them', () => {
  const week = { weekNoticeAtMs: day(23) };
  expect(at(30, week, 0, 90)).toMatchObject({ kind: 'none', noticedAtMs: null, archiveAtMs: day(90) });
  expect(at(83, week, 0, 90)).toMatchObject({ kind: 'notice', notice: 'week' });
  expect(at(24, week, 0, 14)).toMatchObject({ kind: 'none', noticedAtMs: day(23), archiveAtMs: day(30) });
});

it('ignores notices and waits for uses in the future, which are of a clock that was wrong', () => {
  expect(at(23, { weekNoticeAtMs: day(400) })).toMatchObject({ kind: 'notice', notice: 'week' });
  expect(at(500, {}, 900).kind).toBe('none');
});

it('archives only a week after one notice and a day after another, both since the last use', () => {
  const look = fc.record({
    hours: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 3_000 })),
    isUsed: boolean(0.01),
    days: fc.option(fc.integer({ min: 14, max: 120 }), { freq: 50 }),
    isSent: boolean(0.8),
  });
  let archived = 0;
  fc.assert(
    fc.property(fc.array(look, { minLength: 60, maxLength: 200 }), (looks) => {
      let [nowMs, days, usedMs] = [START, 30, null as number | null];
      const stored = fresh();
      for (const one of looks) {
        nowMs += one.hours * HOUR_MS;
        days = one.days ?? days;
        if (one.isUsed) usedMs = nowMs;
        const step = nextStep({ nowMs, days, lastUsedAtMs: usedMs, stored });
        expect(step.archiveAtMs).toBeGreaterThanOrEqual((usedMs ?? START) + days * DAY_MS);
        if (step.notice === 'week' && one.isSent) stored.weekNoticeAtMs = nowMs;
        if (step.notice === 'day' && one.isSent) stored.dayNoticeAtMs = nowMs;
        if (step.kind !== 'archive') continue;
        expect(stored.weekNoticeAtMs).toBeGreaterThan(usedMs ?? START);
        expect(nowMs - (stored.weekNoticeAtMs ?? nowMs)).toBeGreaterThanOrEqual(7 * DAY_MS);
        expect(nowMs - (stored.dayNoticeAtMs ?? nowMs)).toBeGreaterThanOrEqual(DAY_MS);
        expect(stored.dayNoticeAtMs).toBeGreaterThan(stored.weekNoticeAtMs ?? nowMs);
        archived += 1;
        return;
      }
    }),
    { numRuns: 500 },
  );
  expect(archived).toBeGreaterThan(0);
});

it('a jump of the clock passes no time, in both directions, and leaves nothing in the future', () => {
  const both = { ...fresh(), weekNoticeAtMs: day(23), dayNoticeAtMs: day(29) };
  const jump = (stored: Inactivity, nowDays: number, jumpDays: number, usedDays: number | null = 0) =>
    afterJump(stored, {
      jumpMs: jumpDays * DAY_MS,
      nowMs: day(nowDays),
      lastUsedAtMs: usedDays === null ? null : day(usedDays),
    });
  const ahead = jump(both, 229.5, 200);
  expect(at(229.5, ahead)).toMatchObject({ kind: 'none', archiveAtMs: day(230) });
  expect(at(230, ahead)).toMatchObject({ kind: 'archive' });
  const back = jump(ahead, 29.6, -200);
  expect(back).toEqual(both);
  expect(at(29.6, back)).toMatchObject({ kind: 'none', archiveAtMs: day(30) });
  // The clock was years behind, and is corrected: the count begins again.
  const corrected = jump(both, 30, 2_000);
  expect(corrected).toMatchObject({
    countedFromMs: day(30),
    weekNoticeAtMs: day(30),
    dayNoticeAtMs: day(30),
  });
  expect(at(31, corrected)).toMatchObject({ kind: 'none', archiveAtMs: day(60) });
});

/** True with a probability. */
function boolean(probability: number): fc.Arbitrary<boolean> {
  return fc.integer({ min: 1, max: 100 }).map((value) => value <= probability * 100);
}
