import { expect, it } from 'vitest';
import { ago, backingOff, failed, globalInstance, instance } from '../../../test/console/fleet-fixtures.ts';
import { causeOf } from '../text/reason.ts';
import { initialState } from './fleet-state.ts';
import { problemRows } from './problem-rows.ts';
import { problemsOf } from './problems.ts';

const CAUSE = causeOf(failed('any'));

function rows(instances: ReturnType<typeof instance>[], expanded: readonly string[] = []) {
  const state = {
    ...initialState(Date.now()),
    instances: new Map(instances.map((one) => [one.name, one])),
  };
  return problemRows(problemsOf(state), new Set(expanded)).map(({ key, problems, member }) => [
    key,
    problems.length,
    member,
  ]);
}

it('groups problems with the same cause into one row', () => {
  const many = Array.from({ length: 58 }, (_, nth) =>
    failed(`many-${nth}`, { since: ago(nth), attempt: nth }),
  );
  const others = [
    backingOff('z-other', { attempt: 2 }),
    failed('zz-corrupt', { reason: { code: 'database_corrupt', message: 'm' } }),
  ];
  expect(rows([...many, ...others])).toEqual([
    [`cause ${CAUSE}`, 58, false],
    ['zz-corrupt', 1, false],
    ['z-other', 1, false],
  ]);
  expect(rows([...many, ...others], [CAUSE])).toHaveLength(61);
  expect(rows(many, [CAUSE])[1]).toEqual(['many-0', 1, true]);
});

it('does not group two problems, nor the global database', () => {
  const two = [failed('a'), failed('b')];
  expect(rows(two).map(([key]) => key)).toEqual(['a', 'b']);
  expect(
    rows([...two, globalInstance({ ...failed('global'), kind: 'global', name: 'global' })]),
  ).toHaveLength(3);
});

const lost = (name: string, port: number, seconds: number) =>
  failed(name, {
    port,
    since: ago(seconds),
    reason: { code: 'exited', message: `${name} on port ${port} gave up after ${seconds} s` },
  });

const probe = (name: string, error: string) =>
  instance(name, { probe: { at: ago(1), ok: false, latency_ms: 5, error } });

it('ignores names, ports, processes and times when it compares causes', () => {
  expect(rows([lost('a1', 9001, 3), lost('b2', 9002, 40), lost('c3', 9003, 500)])).toHaveLength(1);
  const refused = ['day-1', 'day-2', 'day-3'].map((name) => probe(name, 'connection refused'));
  expect(rows([...refused, probe('day-4', 'no answer within 5 s')])).toHaveLength(2);
});
