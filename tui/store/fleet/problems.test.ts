import { expect, it } from 'vitest';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
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
import { textWith } from '../../../test/helpers/text-with.ts';
import { initialState } from './fleet-state.ts';
import { problemsOf, spotOfProblem } from './problems.ts';

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

it('reports a vulnerable PocketBase with what to do, and shows the doctor for it', () => {
  const exposure = {
    vulnerable_instances: 2,
    versions: [
      { version: '0.39.1', instances: 2, severity: 'high' as const, advisories: ['CVE-2026-82410'] },
    ],
    remedy: "run 'fathomd pocketbase install'",
  };
  const problems = (changes: Partial<DaemonStatus['exposure']>) =>
    problemsOf({
      ...initialState(Date.now()),
      status: { ready: true, exposure: { ...exposure, ...changes } } as unknown as DaemonStatus,
    });
  const [problem, ...others] = problems({});
  expect(problem).toMatchObject({
    title: 'PocketBase',
    severity: 'impaired',
    why: textWith('2 instances', '0.39.1', 'CVE-2026-82410', 'high', "run 'fathomd pocketbase install'"),
  });
  expect(others).toEqual([]);
  if (problem) expect(spotOfProblem(problem)).toEqual({ screen: 'host', tab: 'doctor' });
  expect(problems({ versions: [], remedy: null, vulnerable_instances: 0 })).toEqual([]);
});

it('reports an erasure that is delayed', () => {
  const trash = { days: 30, databases: 0, erasures_pending: 1, problem: 'the target is away' };
  const problems = problemsOf({
    ...initialState(Date.now()),
    status: { ready: true, trash } as unknown as DaemonStatus,
  });
  expect(problems).toEqual([
    expect.objectContaining({
      title: 'deleted databases',
      severity: 'slow',
      why: expect.stringMatching(/the target is away; 'fathomd databases list --deleted'/),
    }),
  ]);
});

it('reports databases that are not used and cannot be archived', () => {
  const problem = { message: 'no mail server is configured', remedy: 'set SMTP_HOST' };
  const inactive = { days: 90, noticed: 0, archived: 0, blocked: 2, problem };
  const problems = problemsOf({
    ...initialState(Date.now()),
    status: { ready: true, inactive } as unknown as DaemonStatus,
  });
  expect(problems).toEqual([
    expect.objectContaining({
      severity: 'slow',
      why: '2 databases are not used, and not archived: no mail server is configured; set SMTP_HOST',
    }),
  ]);
});

it('finds no problems in a running fleet', () => {
  expect(titles([globalInstance(), instance('a')])).toEqual([]);
});

it('caches the problems of a state', () => {
  const state = { ...initialState(Date.now()), instances: new Map([['a', failed('a')]]) };
  expect(problemsOf(state)).toBe(problemsOf(state));
  expect(problemsOf({ ...state })).not.toBe(problemsOf(state));
});
