import { expect, it } from 'vitest';
import { exampleOf } from '../../shared/api/contract/endpoint.ts';
import { type DaemonStatus, getStatus } from '../../shared/api/daemon.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { PhaseReasonCode } from '../../shared/reasons.ts';
import { findProblems } from './find-problems.ts';

const MIB = 1024 * 1024;

const EXAMPLE = exampleOf(getStatus.responses[200].schema) as DaemonStatus;
const HEALTHY: DaemonStatus = {
  ...EXAMPLE,
  exposure: { vulnerable_instances: 0, versions: [], remedy: null },
};

type Trouble = Parameters<typeof findProblems>[1][number];

function instance(phase: Instance['phase'], code: PhaseReasonCode | null, crashes = 0): Trouble {
  return {
    name: '2026-01-15-001-ann',
    phase,
    desired: 'running',
    reason: code === null ? null : { code, message: 'a message with data of a user' },
    crashes:
      crashes === 0 ? null : { count: crashes, since: EXAMPLE.started_at, last_at: EXAMPLE.started_at },
  };
}

const found = (change: Partial<DaemonStatus>, instances: readonly Trouble[] = []) =>
  findProblems({ ...HEALTHY, ...change }, instances, []).problems.map(
    ({ key, class: kind, severity }) => `${key} ${kind} ${severity}`,
  );

const withUsage = (change: Partial<NonNullable<DaemonStatus['usage']>>) => {
  if (HEALTHY.usage === null) throw new Error('the example has no usage');
  return { usage: { ...HEALTHY.usage, ...change } };
};

it('finds nothing in a healthy fleet', () => {
  expect(
    found({}, [instance('running', null), instance('asleep', 'idle'), instance('stopped', 'requested')]),
  ).toEqual([]);
});

it.each([
  [{ ready: false, waiting_for: 'x' }, 'control_plane control_plane critical'],
  [{ queue: null }, 'control_plane control_plane critical'],
  [withUsage({ writes_held: true }), 'disk disk critical'],
  [withUsage({ disk_free_bytes: 99 * MIB }), 'disk disk critical'],
  [withUsage({ disk_free_bytes: 500 * MIB }), 'disk disk warning'],
  [{ queue: { ...HEALTHY.queue, dead: 2 } as DaemonStatus['queue'] }, 'dead_letters dead_letters warning'],
  [{ exposure: EXAMPLE.exposure }, 'advisory:0.39.1 advisory warning'],
  [{ backups: { ...HEALTHY.backups, late: 2 } }, 'backup:late backup warning'],
  [
    { inactive: { ...HEALTHY.inactive, blocked: 2, problem: { message: 'why', remedy: 'what' } } },
    'backup:inactive backup warning',
  ],
  [
    { sign_ups: { mode: 'open' as const, databases: 5, max_databases: 5 } },
    'quota:max_databases quota warning',
  ],
])('finds %o', (change, expected) => {
  expect(found(change)).toEqual([expected]);
});

it.each([
  [instance('failed', 'exited'), 'database:2026-01-15-001-ann failed warning'],
  [instance('backing_off', 'exited', 3), 'database:2026-01-15-001-ann crash_loop warning'],
  [instance('unresponsive', null), 'database:2026-01-15-001-ann database warning'],
  [instance('running', 'over_disk'), 'quota:2026-01-15-001-ann quota warning'],
])('finds the state of a database: %o', (trouble, expected) => {
  expect(found({}, [trouble])).toEqual([expected]);
});

it('reports databases that are held on a full disk once', () => {
  expect(found(withUsage({ writes_held: true }), [instance('running', 'disk_reserve')])).toEqual([
    'disk disk critical',
  ]);
});

it('does not know other problems while the daemon is not ready', () => {
  const { unknown } = findProblems({ ...HEALTHY, ready: false, queue: null }, [], []);
  expect([unknown.has('database'), unknown.has('backup'), unknown.has('dead_letters')]).toEqual([
    true,
    true,
    true,
  ]);
  expect([unknown.has('control_plane'), unknown.has('disk')]).toEqual([false, false]);
  expect(findProblems({ ...HEALTHY, queue: null }, [], null).unknown).toEqual(
    new Set(['certificate', 'dead_letters']),
  );
});

it('sends no message of an instance, which can have data of users', () => {
  const { problems } = findProblems(HEALTHY, [instance('failed', 'exited')], []);
  expect(JSON.stringify(problems)).not.toContain('a message with data');
});
