import { expect, it } from 'vitest';
import { type Candidate, type HostState, inOrderOfSleep, sleepCause } from './sleep-rule.ts';

const MINUTE = 60_000;
const GIB = 1024 ** 3;
const HOST: HostState = { awake: 3, maxAwake: null, availableBytes: 4 * GIB, totalBytes: 8 * GIB };

function database(idleMs: number, changes: Partial<Candidate> = {}): Candidate {
  return { idleMs, sleepAfterMs: 30 * MINUTE, refusedAtMs: null, ...changes };
}

it('databases sleep when they are idle for their own time', () => {
  expect(sleepCause(database(31 * MINUTE), HOST)).toBe('idle');
  expect(sleepCause(database(29 * MINUTE), HOST)).toBeNull();
  expect(sleepCause(database(7 * MINUTE, { sleepAfterMs: 6 * MINUTE }), HOST)).toBe('idle');
});

it('above MAX_AWAKE, those sleep that are not in use, also without a time of their own', () => {
  for (const sleepAfterMs of [30 * MINUTE, null]) {
    const idle = database(20_000, { sleepAfterMs });
    expect(sleepCause(idle, { ...HOST, maxAwake: 3 })).toBeNull();
    expect(sleepCause(idle, { ...HOST, maxAwake: 2 })).toBe('awake_limit');
    expect(sleepCause(database(1_000, { sleepAfterMs }), { ...HOST, maxAwake: 0 })).toBeNull();
  }
});

it('while the memory of the host is short, a minute without use is enough', () => {
  const short = { ...HOST, availableBytes: 0.7 * GIB };
  expect(sleepCause(database(61_000), short)).toBe('host_memory');
  expect(sleepCause(database(59_000), short)).toBeNull();
  expect(sleepCause(database(61_000, { sleepAfterMs: null }), short)).toBeNull();
});

it('those that were used least recently come first, and those that could not sleep last', () => {
  const refused = [database(90_000, { refusedAtMs: 2 }), database(80_000, { refusedAtMs: 1 })] as const;
  const others = [database(10_000), database(20_000)] as const;
  expect(inOrderOfSleep([...refused, ...others])).toEqual([others[1], others[0], refused[1], refused[0]]);
});
