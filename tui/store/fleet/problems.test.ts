import { expect, it } from 'vitest';
import {
  ago,
  backingOff,
  crashLoop,
  daemonUsage,
  failed,
  globalInstance,
  instance,
  usage,
} from '../../../test/console/fleet-fixtures.ts';
import { initialState } from './fleet-state.ts';
import { problemsOf } from './problems.ts';

const MIB = 1024 ** 2;

function titles(instances: ReturnType<typeof instance>[], changes = {}) {
  const state = {
    ...initialState(Date.now()),
    instances: new Map(instances.map((one) => [one.name, one])),
    ...changes,
  };
  return problemsOf(state).map(({ title }) => title);
}

it('sorts the worst first and the global database before the others', () => {
  const list = [
    instance('fine'),
    backingOff('c-backing-off', { attempt: 2 }),
    crashLoop('a-crash-loop'),
    failed('b-failed'),
    failed('a-failed'),
    failed('global', { kind: 'global' }),
    instance('slow', { phase: 'unresponsive', since: ago(5) }),
  ];
  expect(titles(list)).toEqual(['global', 'a-failed', 'b-failed', 'a-crash-loop', 'slow', 'c-backing-off']);
});

it('reports a host with little free disk or memory', () => {
  const low = daemonUsage({ disk_free_bytes: 10_000_000, memory_free_bytes: 1_000_000 });
  expect(titles([globalInstance()], { usage: low })).toEqual(['host', 'host']);
});

it('reports an instance that uses much, and whether it has a limit', () => {
  const host = daemonUsage({ memory_total_bytes: 1000 * MIB, processors: 2 });
  const list = [
    instance('a', { usage: usage(250 * MIB, 1) }),
    instance('b', {
      usage: usage(90 * MIB, 1),
      limits: { memory_bytes: 100 * MIB, disk_bytes: null, sleep_after: 0 },
    }),
    instance('c', { usage: usage(10 * MIB, 190) }),
    instance('d', { usage: usage(90 * MIB, 1) }),
  ];
  expect(titles(list, { usage: host })).toEqual(['a', 'b', 'c']);
});

it('finds no problems in a running fleet', () => {
  expect(titles([globalInstance(), instance('a')])).toEqual([]);
});

it('caches the problems of a state', () => {
  const state = { ...initialState(Date.now()), instances: new Map([['a', failed('a')]]) };
  expect(problemsOf(state)).toBe(problemsOf(state));
  expect(problemsOf({ ...state })).not.toBe(problemsOf(state));
});
