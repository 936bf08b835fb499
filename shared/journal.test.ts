import { expect, it } from 'vitest';
import type { Instance } from './api/instances.ts';
import type { FleetEvent } from './events.ts';
import type { InstancePhase } from './instance.ts';
import { journalEntryOf } from './journal.ts';

const AT = '2026-11-26T10:00:00.000Z';

function entryOf(from: InstancePhase, to: InstancePhase, code: 'idle' | 'requested' | null = null) {
  const reason = code === null ? null : { code, message: '' };
  const instance = { reason, last_exit: null } as Instance;
  return journalEntryOf({ kind: 'instance.phase', name: 'a', from, to, at: AT, instance }, AT);
}

it('has the sleep and the wake of a database, without the steps in between', () => {
  expect(entryOf('running', 'stopping', 'idle')).toBeNull();
  expect(entryOf('stopping', 'asleep', 'idle')).toMatchObject({ kind: 'phase', reason: { code: 'idle' } });
  expect(entryOf('asleep', 'waking')).toBeNull();
  const wake: FleetEvent = { kind: 'instance.wake', name: 'a', by: 'task', at: AT };
  expect(journalEntryOf(wake, '')).toMatchObject({ kind: 'wake', name: 'a', at: AT, by: 'task' });
  expect(entryOf('waking', 'running')).toMatchObject({ kind: 'phase', to: 'running' });
});

it('has every step of other changes', () => {
  expect(entryOf('running', 'stopping', 'requested')).not.toBeNull();
  expect(entryOf('waking', 'backing_off')).not.toBeNull();
  expect(entryOf('asleep', 'stopped')).not.toBeNull();
});
