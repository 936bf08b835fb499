import { expect, it } from 'vitest';
import { chooseDrill, type DrillCandidate } from './choose-drill.ts';

const DAY_MS = 86_400_000;
const at = (day: number) => new Date(Date.UTC(2024, 0, 1) + day * DAY_MS);
const week = (number: number) => ({ start: at(7 * number), next: at(7 * number + 7) });

const fleet = (count: number): DrillCandidate[] => [
  ...Array.from({ length: count }, (_, index) => ({
    name: `database-${String(index).padStart(3, '0')}`,
    at: null,
    isFailed: false,
    isAlways: false,
  })),
  { name: 'global', at: null, isFailed: false, isAlways: true },
];

/** Makes all drills of a run. @returns their names, in their order */
function makeDrills(candidates: DrillCandidate[], run: { start: Date; next: Date }): string[] {
  const made: string[] = [];
  for (;;) {
    const name = chooseDrill(candidates, run);
    const candidate = candidates.find((one) => one.name === name);
    if (name === null || !candidate) return made;
    expect(made).not.toContain(name);
    candidate.at = new Date(run.start.getTime() + made.length * 1000);
    candidate.isFailed = false;
    made.push(name);
  }
}

it('has a part of all databases each week, and all of them within four', () => {
  const candidates = fleet(10);
  const weeks = [0, 1, 2, 3].map((number) => makeDrills(candidates, week(number)));
  expect(weeks.map(({ length }) => length)).toEqual([4, 4, 4, 4]);
  expect(new Set(weeks.flat()).size).toBe(11);
  // The oldest come again, after the control plane. Two have come again in the fourth week.
  expect(makeDrills(candidates, week(4)).slice(0, 2)).toEqual(['global', 'database-002']);
});

it('goes on where it was interrupted, and is not made again', () => {
  const candidates = fleet(10);
  const [first, second] = candidates as [DrillCandidate, DrillCandidate];
  first.at = at(0);
  second.at = at(0.5);
  expect(makeDrills(candidates, week(0))).toEqual(['global', 'database-002']);
  expect(chooseDrill(candidates, week(0))).toBeNull();
});

it('tries a database again whose drill failed', () => {
  const candidates = fleet(4);
  makeDrills(candidates, week(0));
  const [failed] = candidates as [DrillCandidate];
  failed.isFailed = true;
  expect(chooseDrill(candidates, week(0))).toBeNull();
  expect(makeDrills(candidates, week(1)).slice(0, 2)).toEqual(['global', failed.name]);
});

it('has every database in each run of a month', () => {
  expect(makeDrills(fleet(5), { start: at(0), next: at(31) })).toHaveLength(6);
  expect(makeDrills([], week(0))).toEqual([]);
});
