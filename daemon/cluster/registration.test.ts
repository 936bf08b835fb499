import { expect, it, vi } from 'vitest';
import { FathomError } from '../../shared/errors.ts';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import type { Change } from './coordinator.ts';
import { Registration } from './registration.ts';

const at = new Date(0).toISOString();
const facts = {
  node: 'n1',
  machine: 'n1',
  boot: 'n1',
  fleet: 'f',
  address: '10.0.0.1',
  version: '1',
  started_at: at,
  takeover: true,
  secrets: 's',
};
const load = { databases: 0, running: 0, load_1m: 0, processors: 1 };
const memory = { memory_total_bytes: 1, memory_free_bytes: 1 };
const record = () => ({ ...facts, ...load, ...memory, at });

it('renews its lease while etcd cannot write', async () => {
  const time = new ManualTime();
  const left = new AbortController();
  class ReadOnly extends MemoryCoordinator {
    isReadOnly = false;

    override commit(change: Change): Promise<boolean> {
      return this.isReadOnly ? new Promise(() => {}) : super.commit(change);
    }
  }
  const coordinator = new ReadOnly(new MemoryStore(time));
  const over = vi.fn();
  const registration = new Registration({
    coordinator,
    facts,
    leaseSeconds: 15,
    record,
    onSession: async () => {},
    onLease: () => {},
    onLeaseOver: over,
    left: left.signal,
    clock: time,
    log: silentLog,
  });
  await registration.begin();
  void registration.keep();
  coordinator.isReadOnly = true;
  for (let second = 0; second < 60; second += 1) await time.advance(1_000);
  expect(registration.hasLease).toBe(true);
  expect(over).not.toHaveBeenCalled();
  left.abort();
});

it('has no lease with a session until what must be done with it has succeeded', async () => {
  const time = new ManualTime();
  const store = new MemoryStore(time);
  const left = new AbortController();
  const events: string[] = [];
  let isBroken = false;
  const registration = new Registration({
    coordinator: new MemoryCoordinator(store),
    facts,
    leaseSeconds: 15,
    record,
    async onSession() {
      events.push(isBroken ? 'failed' : 'session');
      if (isBroken) throw new FathomError('cluster.unavailable', 'cut off');
    },
    onLease: () => events.push('lease'),
    onLeaseOver: () => events.push('over'),
    left: left.signal,
    clock: time,
    log: silentLog,
  });
  await registration.begin();
  const kept = registration.keep();
  isBroken = true;
  for (const id of store.sessions.keys()) store.end(id);
  await time.advance(3_750);
  // The renewal notices the end, and sets the lease to now.
  expect(registration.hasLease).toBe(false);
  events.length = 0;
  await time.advance(3_000);
  expect(new Set(events)).toEqual(new Set(['failed']));
  expect(registration.hasLease).toBe(false);
  isBroken = false;
  events.length = 0;
  await time.advance(1_000);
  expect(events).toEqual(['session', 'lease']);
  expect(registration.hasLease).toBe(true);
  left.abort();
  await kept;
});
