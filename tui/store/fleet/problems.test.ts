import { expect, it } from 'vitest';
import {
  ago,
  backingOff,
  daemonUsage,
  failed,
  globalInstance,
  instance,
} from '../../../test/console/fleet-fixtures.ts';
import { initialState } from './fleet-state.ts';
import { problemsOf } from './problems.ts';

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
    backingOff('c-backing-off'),
    failed('b-failed'),
    failed('a-failed'),
    failed('global', { kind: 'global' }),
    instance('slow', { phase: 'unresponsive', since: ago(5) }),
  ];
  expect(titles(list)).toEqual(['global', 'a-failed', 'b-failed', 'slow', 'c-backing-off']);
});

it('reports a host with little free disk or memory', () => {
  const usage = daemonUsage({ disk_free_bytes: 10_000_000, memory_free_bytes: 1_000_000 });
  expect(titles([globalInstance()], { usage })).toEqual(['host', 'host']);
});

it('finds no problems in a running fleet', () => {
  expect(titles([globalInstance(), instance('a')])).toEqual([]);
});

it('caches the problems of a state', () => {
  const state = { ...initialState(Date.now()), instances: new Map([['a', failed('a')]]) };
  expect(problemsOf(state)).toBe(problemsOf(state));
  expect(problemsOf({ ...state })).not.toBe(problemsOf(state));
});
