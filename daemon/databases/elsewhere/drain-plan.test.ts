import { assert, boolean, constantFrom, integer, option, property, record, uniqueArray } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INSTANCE_PHASES } from '../../../shared/instance.ts';
import { type DrainEntry, planDrain } from './drain-plan.ts';

const entry = record({
  name: integer({ min: 0, max: 999 }).map((number) => `2026-01-15-${number}-a`),
  phase: constantFrom(...INSTANCE_PHASES),
  idleMs: option(integer({ min: 0, max: 1_000_000 })),
  isReplicated: boolean(),
  waitsMs: integer({ min: 0, max: 120_000 }),
  failure: option(record({ message: constantFrom('it has files', 'it is archived'), mayRetry: boolean() })),
});
const entries = uniqueArray(entry, { maxLength: 30, selector: ({ name }) => name });
const slots = integer({ min: -2, max: 6 });

const WAITING: DrainEntry = {
  name: 'a',
  phase: 'running',
  idleMs: 5,
  isReplicated: true,
  waitsMs: 0,
  failure: null,
};

describe('the plan of a drain', () => {
  it('begins no more than it may, each once, and moves only what has a replica', () => {
    assert(
      property(entries, slots, (all, count) => {
        const { move, wake } = planDrain(all, count);
        expect(move.length + wake.length).toBeLessThanOrEqual(Math.max(0, count));
        expect(new Set([...move, ...wake]).size).toBe(move.length + wake.length);
        const byName = new Map(all.map((one) => [one.name, one]));
        for (const name of move) {
          expect(byName.get(name)?.isReplicated).toBe(true);
          expect(byName.get(name)?.failure?.mayRetry).not.toBe(false);
        }
        for (const name of wake)
          expect(byName.get(name)).toMatchObject({ phase: 'asleep', isReplicated: false });
      }),
    );
  });

  it('leaves no database without a move, a reason, or something to wait for', () => {
    assert(
      property(entries, (all) => {
        const { move, wake, problems } = planDrain(all, all.length);
        const named = new Set([...move, ...wake, ...problems.map(({ name }) => name)]);
        for (const { name, phase, isReplicated, waitsMs } of all) {
          const changes = ['queued', 'starting', 'stopping', 'waking'].includes(phase);
          const waits = changes || (!isReplicated && waitsMs <= 60_000);
          expect(named.has(name) || waits).toBe(true);
        }
      }),
    );
  });

  it('does not depend on the order of the databases', () => {
    assert(
      property(entries, slots, (all, count) => {
        expect(planDrain(all.toReversed(), count)).toEqual(planDrain(all, count));
      }),
    );
  });

  it('moves those without a process first, then those that are idle longest, then those that failed', () => {
    const all: DrainEntry[] = [
      { ...WAITING, name: 'failed', failure: { message: 'it has files', mayRetry: true } },
      { ...WAITING, name: 'busy', idleMs: 5 },
      { ...WAITING, name: 'idle', idleMs: 50_000 },
      { ...WAITING, name: 'asleep', phase: 'asleep', idleMs: null },
    ];
    expect(planDrain(all, 9).move).toEqual(['asleep', 'idle', 'busy', 'failed']);
    expect(planDrain(all, 2).move).toEqual(['asleep', 'idle']);
  });

  it('says what has no replica, and wakes what sleeps to get one', () => {
    const bare = { ...WAITING, isReplicated: false };
    expect(planDrain([{ ...bare, phase: 'asleep' }], 1)).toEqual({ move: [], wake: ['a'], problems: [] });
    expect(planDrain([bare], 1)).toEqual({ move: [], wake: [], problems: [] });
    expect(planDrain([{ ...bare, waitsMs: 61_000 }], 1).problems).toHaveLength(1);
    expect(planDrain([{ ...bare, phase: 'stopped' }], 1).problems[0]?.message).toContain(
      "'fathomd databases start a'",
    );
  });
});
