import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import type { Logger } from '../../base/log/log.ts';
import { OwnerSync } from './owner-sync.ts';

const USER = 'ann000000000001';

/** A sync without databases that counts how often the account is read. */
async function stage() {
  const directory = await scratch();
  const time = new ManualTime();
  let reads = 0;
  const ownerSync = new OwnerSync({
    repository: {
      listOwners: () => {
        reads += 1;
        return Promise.resolve([]);
      },
    },
    catalog: { directoryOf: (name) => join(directory, name), find: () => null },
    fleet: { restart: () => Promise.reject(new Error('no database runs here')) },
    bus: { subscribe: () => () => {} },
    clock: time,
    log: { error: () => {} } as unknown as Logger,
    random: () => 0.5,
  });
  return { ownerSync, time, reads: () => reads };
}

it('does not read the account again for a database that was just created with it', async () => {
  const { ownerSync, time, reads } = await stage();
  const requestedAtMs = time.monotonic();
  ownerSync.noteCloned(USER, time.monotonic());
  expect(await ownerSync.syncNow(USER, requestedAtMs)).toBe(true);
  expect(reads()).toBe(0);
});

it('reads the account for a request after the creation of the database', async () => {
  const { ownerSync, time, reads } = await stage();
  ownerSync.noteCloned(USER, time.monotonic());
  await time.advance(1);
  expect(await ownerSync.syncNow(USER)).toBe(true);
  expect(reads()).toBe(1);
});

it('reads the account when it changed after the creation of the database', async () => {
  const { ownerSync, time, reads } = await stage();
  const requestedAtMs = time.monotonic();
  ownerSync.noteCloned(USER, time.monotonic());
  ownerSync.changed(USER);
  await settle();
  expect(await ownerSync.syncNow(USER, requestedAtMs)).toBe(true);
  expect(reads()).toBe(2);
});
