import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { OwnerAccount } from '../../../shared/hooks/control-plane-routes.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import type { Logger } from '../../base/log/log.ts';
import { ArchivedDatabases } from '../archive/archived-databases.ts';
import type { CatalogEntry } from '../catalog.ts';
import { DatabasesElsewhere } from '../elsewhere/databases-elsewhere.ts';
import { OwnerSync } from './owner-sync.ts';

const USER = 'ann000000000001';
const KEYS = { tokenKey: 'k', collectionId: 'c', secret: 's', durationS: 60 };

/** A sync without databases that counts how often the account is read. */
async function stage(phase: InstancePhase | null = null) {
  const directory = await scratch();
  const time = new ManualTime();
  let reads = 0;
  let problem: Error | null = null;
  let held: Promise<void> | null = null;
  const owners: OwnerAccount[] = [];
  const looks: string[] = [];
  const ownerSync = new OwnerSync({
    repository: {
      async listOwners(userId) {
        reads += 1;
        if (problem) throw problem;
        const listed = owners
          .filter(({ id }) => userId === undefined || id === userId)
          .map((owner) => ({ ...owner }));
        if (userId === undefined) await held;
        return listed;
      },
    },
    catalog: {
      archived: new ArchivedDatabases(),
      elsewhere: new DatabasesElsewhere(time),
      directoryOf: (name) => {
        looks.push(name);
        return join(directory, name);
      },
      find: () => phase && ({ row: {}, runner: { state: { phase } } } as unknown as CatalogEntry),
    },
    fleet: { restart: () => Promise.reject(new Error('no database runs here')) },
    bus: { subscribe: () => () => {} },
    clock: time,
    log: { error: () => {}, warn: () => {} } as unknown as Logger,
    random: () => 0.5,
  });
  return {
    ownerSync,
    time,
    owners,
    looks,
    reads: () => reads,
    fail: (error: Error | null) => {
      problem = error;
    },
    /** Answers with all accounts of now when the promise resolves. */
    hold: (until: Promise<void> | null) => {
      held = until;
    },
  };
}

it('does not read the account again for a database that was just created with it', async () => {
  const { ownerSync, time, reads } = await stage();
  const requestedAtMs = time.monotonic();
  ownerSync.noteCloned(USER, time.monotonic(), KEYS);
  expect(await ownerSync.syncNow(USER, requestedAtMs)).toBe(true);
  expect(ownerSync.keysOfNew(USER, requestedAtMs)).toBe(KEYS);
  expect(reads()).toBe(0);
});

it('reads the account for a request after the creation of the database', async () => {
  const { ownerSync, time, reads } = await stage();
  ownerSync.noteCloned(USER, time.monotonic(), KEYS);
  await time.advance(1);
  expect(await ownerSync.syncNow(USER)).toBe(true);
  expect(reads()).toBe(1);
});

it('reads the account when it changed after the creation of the database', async () => {
  const { ownerSync, time, reads } = await stage();
  const requestedAtMs = time.monotonic();
  ownerSync.noteCloned(USER, time.monotonic(), KEYS);
  ownerSync.changed(USER);
  expect(ownerSync.keysOfNew(USER, requestedAtMs)).toBeNull();
  await settle();
  expect(await ownerSync.syncNow(USER, requestedAtMs)).toBe(true);
  expect(reads()).toBe(2);
});

it('reads the account of a complete database only if it may have changed since it was created', async () => {
  const { ownerSync, time, reads } = await stage();
  const create = (change: 'none' | 'before' | 'after') => {
    ownerSync.noteCreating(USER);
    if (change === 'before') ownerSync.changed(USER);
    ownerSync.noteCloned(USER, time.monotonic(), KEYS);
    if (change === 'after') ownerSync.changed(USER);
    ownerSync.noteCreated(USER);
  };
  create('none');
  await settle();
  expect(reads()).toBe(0);
  create('before');
  await settle();
  expect(reads()).toBe(2);
  create('after');
  await settle();
  expect(reads()).toBe(4);
});

const account = (name: string): OwnerAccount => ({
  database: name,
  id: name,
  email: `${name}@example.com`,
  verified: true,
  is_active: true,
  password_hash: '',
  token_epoch: '1',
});

it.each(['stopped', 'asleep', 'failed'] as const)(
  'opens only %s databases with a changed account',
  async (phase) => {
    const { ownerSync, owners, looks } = await stage(phase);
    owners.push(account('ann'), account('ben'));
    await ownerSync.load();
    Object.assign(owners[1] ?? {}, { token_epoch: '2' });
    ownerSync.syncAll();
    await settle();
    await ownerSync.stop();
    expect(looks).toEqual(['ben']);
  },
);

it('opens all databases with a process', async () => {
  const { ownerSync, owners, looks } = await stage('running');
  owners.push(account('ann'), account('ben'));
  await ownerSync.load();
  ownerSync.syncAll();
  await settle();
  await new Promise((resolve) => setImmediate(resolve));
  await ownerSync.stop();
  expect(looks[0]).toBe('ann');
});

it.each(['start', 'sync'] as const)(
  'reads the accounts once, when the first %s needs them',
  async (first) => {
    const { ownerSync, owners, looks, reads } = await stage('asleep');
    owners.push(account('ann'), account('ben'));
    const { ready } = ownerSync.beforeStart('ann');
    expect(reads()).toBe(0);
    if (first === 'start') await Promise.all([ready?.(), ready?.()]);
    else ownerSync.syncAll();
    await settle();
    expect(reads()).toBe(1);
    await ready?.();
    expect(reads()).toBe(1);
    await ownerSync.stop();
    expect(looks).toEqual([]);
  },
);

it('opens no sleeping database while the accounts are read for a start', async () => {
  const { ownerSync, owners, looks } = await stage('asleep');
  owners.push(account('ann'), account('ben'));
  void ownerSync.load();
  ownerSync.syncAll();
  await settle();
  await ownerSync.stop();
  expect(looks).toEqual([]);
});

it('reads all accounts again when they could not be read', async () => {
  const { ownerSync, time, owners, looks, reads, fail } = await stage('running');
  owners.push(account('ann'));
  fail(new Error('busy'));
  ownerSync.syncAll();
  await settle();
  const failed = reads();
  fail(null);
  await time.advance(5_000);
  await settle();
  expect(reads()).toBe(failed + 1);
  expect(looks).toEqual(['ann']);
  await ownerSync.stop();
});

it('keeps an account that was read while all were being read', async () => {
  const { ownerSync, owners, looks, hold } = await stage('asleep');
  owners.push(account('ann'));
  const { promise, resolve } = Promise.withResolvers<void>();
  hold(promise);
  const loaded = ownerSync.load();
  Object.assign(owners[0] ?? {}, { is_active: false });
  await ownerSync.readAccount('ann');
  hold(null);
  resolve();
  await loaded;
  // The account of now is known, so the database is not opened.
  ownerSync.syncAll();
  await settle();
  await ownerSync.stop();
  expect(looks).toEqual([]);
});
