import { expect, it } from 'vitest';
import { type Candidate, chooseSleepers, type HostState } from './sleep-rule.ts';

const MINUTE = 60_000;
const GIB = 1024 ** 3;
const HOST: HostState = { awake: 3, maxAwake: null, availableBytes: 4 * GIB, totalBytes: 8 * GIB };

function database(name: string, idleMs: number, sleepAfterMs = 30 * MINUTE): Candidate {
  return { name, idleMs, sleepAfterMs };
}

function sleepers(databases: readonly Candidate[], host: Partial<HostState> = {}): string[] {
  return chooseSleepers(databases, { ...HOST, ...host }).map(({ name, why }) => `${name}: ${why}`);
}

it('databases sleep when they are idle for their own time', () => {
  const databases = [
    database('a', 31 * MINUTE),
    database('b', 29 * MINUTE),
    database('c', 7 * MINUTE, 6 * MINUTE),
  ];
  expect(sleepers(databases)).toEqual(['a: idle', 'c: idle']);
});

it('above MAX_AWAKE, those that were used least recently sleep, and none that is in use', () => {
  const databases = [database('a', 20_000), database('b', 90_000), database('c', 1_000)];
  expect(sleepers(databases, { maxAwake: 3 })).toEqual([]);
  expect(sleepers(databases, { maxAwake: 2 })).toEqual(['b: awake_limit']);
  expect(sleepers(databases, { maxAwake: 0 })).toEqual(['b: awake_limit', 'a: awake_limit']);
});

it('idle databases count for MAX_AWAKE first', () => {
  const databases = [database('a', 31 * MINUTE), database('b', 20_000)];
  expect(sleepers(databases, { maxAwake: 2 })).toEqual(['a: idle']);
});

it('while the memory of the host is short, a minute without use is enough', () => {
  const databases = [database('a', 61_000), database('b', 59_000)];
  expect(sleepers(databases, { availableBytes: 0.7 * GIB })).toEqual(['a: host_memory']);
});

it('not all databases end at once', () => {
  const databases = Array.from({ length: 100 }, (_, index) => database(`d${index}`, 31 * MINUTE + index));
  const chosen = sleepers(databases);
  expect(chosen).toHaveLength(20);
  expect(chosen[0]).toBe('d99: idle');
});
