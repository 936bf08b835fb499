import { expect, it } from 'vitest';
import { memoryValues, parseMemoryEvents, wasEndedByLimit } from './limits.ts';

const MIB = 1024 * 1024;
const memory = (limit: number | null) =>
  Object.fromEntries(memoryValues(limit).map(({ file, value }) => [file, value]));

it('slows an instance down above its limit, and ends it above that', () => {
  for (const limit of [1, 64 * MIB, 512 * MIB, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    const values = memory(limit);
    const [high, max] = [Number(values['memory.high']), Number(values['memory.max'])];
    expect(high).toBeGreaterThan(limit);
    expect(max).toBeGreaterThan(high);
    for (const value of Object.values(values)) expect(value).toMatch(/^\d+$/);
  }
});

it('removes the limits again', () => {
  expect(memory(null)).toMatchObject({ 'memory.high': 'max', 'memory.max': 'max', 'memory.swap.max': 'max' });
});

it('tells the limit of an instance and a host without memory apart', () => {
  const none = parseMemoryEvents('');
  expect(none).toEqual({ failures: 0, kills: 0 });
  const limit = parseMemoryEvents('low 0\nhigh 12\nmax 3\noom 2\noom_kill 1\noom_group_kill 1\n');
  expect(limit).toEqual({ failures: 2, kills: 1 });
  expect(wasEndedByLimit(none, limit)).toBe(true);
  expect(wasEndedByLimit(limit, limit)).toBe(false);
  expect(wasEndedByLimit(none, { failures: 0, kills: 1 })).toBe(false);
});
