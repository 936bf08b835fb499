import { expect, it } from 'vitest';
import type { InstancePhase } from '../../../shared/instance.ts';
import { SignInGate } from '../../accounts/sign-in/sign-in-gate.ts';
import { type DatabaseAccessDeps, hasSettled, openDatabase } from './database-access.ts';

const NOW = new Date('2026-01-01T00:00:00Z');

it.each<[phase: InstancePhase, nextInMs: number | null, settled: boolean]>([
  ['running', null, true],
  ['asleep', null, true],
  ['failed', null, true],
  ['queued', null, false],
  ['starting', null, false],
  ['unresponsive', null, false],
  ['backing_off', null, false],
  ['backing_off', -1, false],
  ['backing_off', 2_000, false],
  ['backing_off', 2_001, true],
])('a sign-in finds %s with a start in %s ms settled: %s', (phase, nextInMs, settled) => {
  const nextAttemptAt = nextInMs === null ? null : new Date(NOW.getTime() + nextInMs);
  expect(hasSettled(stateWith('running'), NOW)).toBe(settled);
  expect(hasSettled(stateWith('stopped'), NOW)).toBe(true);

  function stateWith(desired: 'running' | 'stopped') {
    return { phase, observed: { desired, nextAttemptAt } };
  }
});

const depsWith = (entry: { row: { name: string } } | null) =>
  ({
    signInGate: new SignInGate(),
    provisioner: { elsewhere: () => null, find: () => entry },
    clock: { monotonic: () => 0, sleep: async () => {} },
  }) as unknown as DatabaseAccessDeps;

it('describes a database that is still restored, without a look at its files, and creates none then', async () => {
  const user = { id: 'ann', email: 'ann@example.com' };
  expect(await openDatabase(user, null, depsWith({ row: { name: 'ann-1' } }))).toEqual({
    name: 'ann-1',
    url: null,
    port: null,
    status: 'Starting',
    token: null,
  });
  await expect(openDatabase(user, null, depsWith(null))).rejects.toMatchObject({ code: 'daemon.starting' });
});
