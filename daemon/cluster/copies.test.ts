import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { scratch } from '../../test/helpers/scratch.ts';
import { KeyedMutex } from '../base/keyed-mutex.ts';
import { createLog } from '../base/log/log.ts';
import { systemClock } from '../base/time/clock.ts';
import { withDatabase } from '../pocketbase/data/sqlite.ts';
import type { Ownership } from './claims.ts';
import { type CopiesDeps, prepareCopies, prepareCopy, RestoreSlots, receiveCopy } from './copies.ts';
import type { ReceiveOptions } from './handovers.ts';

const log = createLog({
  level: 'fatal',
  output: { sinks: [], losses: () => ({ dropped: 0, problem: null }) },
});

const RECEIVE: ReceiveOptions = {
  signal: new AbortController().signal,
  note: () => {},
  accept: async () => null,
};

async function createStage() {
  const root = await scratch();
  const owned = new Map<string, Ownership>();
  const restored: string[] = [];
  const broken = new Set<string>();
  const fetched: unknown[] = [];
  /** A file of a database in the target. */
  const uploads = new Map<string, string>();
  const deps: CopiesDeps = {
    ownershipOf: (name) => owned.get(name) ?? null,
    directoryOf: (name) => join(root, name),
    ownReplica: async (name, epoch) => `OWN/${name}/e${epoch}`,
    restore: async (path, file) => {
      if (broken.has(path)) throw new Error('the target is away');
      restored.push(path);
      await writeFile(file, path);
    },
    fetchFiles: async (name, { dataDir, known, mayLack }) => {
      fetched.push([name, known?.slice(root.length) ?? null, mayLack]);
      const file = uploads.get(name);
      if (file === undefined) return;
      await mkdir(join(dataDir, 'storage'));
      await writeFile(join(dataDir, 'storage', file), 'fetched');
    },
    perName: new KeyedMutex(),
    slots: new RestoreSlots(),
    clock: systemClock,
    stopping: new AbortController().signal,
    controlPlane: 'global',
    log,
  };
  const write = async (name: string, file: string, content: string) => {
    const path = join(root, name, file);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
  };
  const read = (name: string, file: string) => readFile(join(root, name, file), 'utf8').catch(() => null);
  return { root, owned, restored, fetched, broken, uploads, deps, write, read };
}

it('replaces the files of an earlier owner, keeps them aside, and takes uploaded files from them', async () => {
  const { root, owned, restored, fetched, deps, write, read } = await createStage();
  await write('a', 'owner-epoch', '1');
  await write('a', 'pb_data/data.db', 'old');
  await write('a', 'pb_data/storage/file', 'uploaded');
  owned.set('a', { epoch: 3, source: 'OTHER/a/e2' });
  await prepareCopy('a', deps);
  expect(await read('a', 'pb_data/data.db')).toBe('OTHER/a/e2');
  expect(fetched).toEqual([['a', '/a/diverged-1', true]]);
  expect(await read('a', 'diverged-1/data.db')).toBe('old');
  expect(await read('a', 'owner-epoch')).toBe('3');
  await prepareCopy('a', deps);
  expect(restored).toEqual(['OTHER/a/e2']);

  owned.set('a', { epoch: 5, source: 'OTHER/a/e4' });
  await prepareCopy('a', deps);
  expect((await readdir(join(root, 'a'))).toSorted()).toEqual(['diverged-3', 'owner-epoch', 'pb_data']);
});

it('has the uploaded files of the last owner', async () => {
  const { owned, uploads, deps, write, read } = await createStage();
  await write('a', 'owner-epoch', '1');
  await write('a', 'pb_data/data.db', 'old');
  owned.set('a', { epoch: 3, source: 'OTHER/a/e2' });
  uploads.set('a', 'new');
  await prepareCopy('a', deps);
  expect(await read('a', 'pb_data/storage/new')).toBe('fetched');
  owned.set('b', { epoch: 2, source: 'OTHER/b/e1' });
  uploads.set('b', 'first');
  await prepareCopy('b', deps);
  expect(await read('b', 'pb_data/storage/first')).toBe('fetched');
});

it('keeps its own files when no other node has owned them since', async () => {
  const { owned, restored, deps, write, read } = await createStage();
  await write('a', 'owner-epoch', '1');
  await write('a', 'pb_data/data.db', 'newest');
  owned.set('a', { epoch: 2, source: 'OWN/a/e1' });
  await prepareCopy('a', deps);
  await write('b', 'pb_data/data.db', 'first');
  owned.set('b', { epoch: 1, source: null });
  await prepareCopy('b', deps);
  expect(restored).toEqual([]);
  expect([await read('a', 'pb_data/data.db'), await read('a', 'owner-epoch')]).toEqual(['newest', '2']);
  expect([await read('b', 'pb_data/data.db'), await read('b', 'owner-epoch')]).toEqual(['first', '1']);
});

it('leaves no old files in place when a replica cannot be restored, and tries it again', async () => {
  const { owned, broken, deps, write, read } = await createStage();
  await write('a', 'owner-epoch', '1');
  await write('a', 'pb_data/data.db', 'old');
  owned.set('a', { epoch: 2, source: 'OTHER/a/e1' });
  broken.add('OTHER/a/e1');
  await expect(prepareCopy('a', deps)).rejects.toThrow('the target is away');
  expect(await read('a', 'pb_data/data.db')).toBeNull();
  broken.clear();
  await prepareCopy('a', deps);
  expect(await read('a', 'pb_data/data.db')).toBe('OTHER/a/e1');
  expect(await read('a', 'diverged-1/data.db')).toBe('old');
});

it('prepares the databases of the control plane only, leaves those that start, and goes on after one that fails', async () => {
  const { root, owned, broken, deps, write, read } = await createStage();
  await write('global', 'owner-epoch', '1');
  await mkdir(join(root, 'global', 'pb_data'));
  const [failing, stopped, trashed, archived, starting, newest] = [
    '2026-01-15-001-a',
    '2026-01-15-002-b',
    '2026-01-15-003-c',
    '2026-01-15-004-d',
    '2026-01-15-005-e',
    '2026-01-15-006-f',
  ];
  withDatabase(join(root, 'global', 'pb_data', 'data.db'), { readOnly: false }, (database) => {
    database.exec('CREATE TABLE user_databases (name TEXT, state TEXT, desired TEXT)');
    const insert = database.prepare('INSERT INTO user_databases VALUES (?, ?, ?)');
    for (const name of [failing, stopped, '../escape']) insert.run(name, 'ready', 'stopped');
    insert.run(trashed, 'trashed', 'running');
    for (const name of [archived, starting, newest]) insert.run(name, 'ready', 'running');
    insert.run('2026-01-15-007-g', 'deleting', 'running');
  });
  await write(archived, 'archived.json', '{}');
  await write(newest, 'owner-epoch', '1');
  owned.set('global', { epoch: 1, source: null });
  const known = [failing, stopped, trashed, archived, starting];
  const all = [...known, newest, '2026-01-15-007-g', '../escape', '2026-01-15-008-erased'];
  for (const name of all) owned.set(name, { epoch: 2, source: `OTHER/${name}/e1` });
  owned.set(newest, { epoch: 2, source: `OWN/${newest}/e1` });
  broken.add(`OTHER/${failing}/e1`);
  expect(await prepareCopies(['global', ...all], deps)).toEqual(new Set([starting]));
  for (const name of [stopped, trashed, archived, newest]) expect(await read(name, 'owner-epoch')).toBe('2');
  expect(await read(starting, 'owner-epoch')).toBeNull();
  const prepared = [...known.filter((name) => name !== starting), newest];
  expect((await readdir(root)).toSorted()).toEqual([...prepared, 'global']);
});

it('prepares all databases of a member, which has no control plane', async () => {
  const { root, owned, deps } = await createStage();
  const names = ['2026-01-15-001-a', '../escape'];
  for (const name of names) owned.set(name, { epoch: 2, source: `OTHER/${name}/e1` });
  await prepareCopies(names, deps);
  expect(await readdir(root)).toEqual([names[0]]);
});

it('does not receive a copy while the files change, nor one of a database that it owns', async () => {
  const { owned, restored, deps, read } = await createStage();
  const begun = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const { restore } = deps;
  deps.restore = async (path, file, signal) => {
    begun.resolve();
    await mayEnd.promise;
    await restore(path, file, signal);
  };
  owned.set('a', { epoch: 3, source: 'OTHER/a/e2' });
  const prepared = prepareCopy('a', deps);
  await begun.promise;
  const wanted = { name: 'a', source: 'OTHER/a/e1', sha256: 'abc' };
  const received = receiveCopy(wanted, RECEIVE, deps);
  mayEnd.resolve();
  await expect(received).rejects.toMatchObject({ code: 'conflict' });
  await prepared;
  expect(restored).toEqual(['OTHER/a/e2']);
  expect(await read('a', 'pb_data/data.db')).toBe('OTHER/a/e2');
});

it('starts a database that has moved here from the files that it has, without another restore', async () => {
  const { owned, restored, deps, read } = await createStage();
  const started: Promise<void>[] = [];
  await receiveCopy(
    { name: 'a', source: 'OTHER/a/e1', sha256: createHash('sha256').update('OTHER/a/e1').digest('hex') },
    {
      ...RECEIVE,
      // The watch of etcd can start it before the answer to this node arrives.
      accept: async () => {
        owned.set('a', { epoch: 2, source: 'OTHER/a/e1' });
        started.push(prepareCopy('a', deps));
        return 2;
      },
    },
    deps,
  );
  await Promise.all(started);
  expect(restored).toEqual(['OTHER/a/e1']);
  expect(await read('a', 'pb_data/data.db')).toBe('OTHER/a/e1');
});

it('restores four databases at a time, in the order of their starts, and the control plane before them', async () => {
  const { owned, restored, deps } = await createStage();
  const { restore } = deps;
  const begun: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const gateOf = (path: string) => gates.get(path) ?? gates.set(path, Promise.withResolvers()).get(path);
  deps.restore = async (path, file, signal) => {
    begun.push(path);
    await gateOf(path)?.promise;
    await restore(path, file, signal);
  };
  const start = (name: string) => {
    owned.set(name, { epoch: 2, source: name });
    return prepareCopy(name, deps);
  };
  const started = ['a', 'b', 'c', 'd', 'e', 'f'].map(start);
  await expect.poll(() => begun.length, { timeout: 20_000 }).toBe(4);
  started.push(start('global'));
  const wanted = { name: 'm', source: 'm', sha256: 'abc' };
  // A move has slots of its own.
  const moved = receiveCopy(wanted, RECEIVE, deps).catch((error: Error) => error.message);
  await expect.poll(() => begun, { timeout: 20_000 }).toContain('m');
  const first = begun.slice(0, 4);
  expect(first.toSorted()).toEqual(begun.filter((name) => name !== 'm').toSorted());
  gateOf(first[0] ?? '')?.resolve();
  await expect.poll(() => begun.length, { timeout: 20_000 }).toBe(6);
  expect(begun.at(-1)).toBe('global');
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'm', 'global']) gateOf(name)?.resolve();
  await Promise.all(started);
  expect(restored.filter((name) => name !== 'm')).toHaveLength(7);
  expect(await moved).toContain('differs');
});

it('restores nothing that waits for others when the daemon ends', async () => {
  const { owned, restored, deps } = await createStage();
  const stopping = new AbortController();
  deps.stopping = stopping.signal;
  stopping.abort();
  owned.set('a', { epoch: 2, source: 'OTHER/a/e1' });
  await expect(prepareCopy('a', deps)).rejects.toMatchObject({ code: 'conflict' });
  expect(restored).toEqual([]);
});

it('says how much of a database that moves here is there, and how much was compared', async () => {
  const { deps } = await createStage();
  const time = new ManualTime();
  deps.clock = time;
  const written = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  deps.restore = async (_path, file) => {
    await writeFile(file, Buffer.alloc(1_000_000, 'x'));
    written.resolve();
    await mayEnd.promise;
  };
  const noted: number[] = [];
  const note = (bytes: number) => void noted.push(bytes);
  const sha256 = createHash('sha256').update(Buffer.alloc(1_000_000, 'x')).digest('hex');
  const compared = Promise.withResolvers<void>();
  deps.fetchFiles = () => compared.promise;
  const received = receiveCopy({ name: 'a', source: 'OTHER/a/e1', sha256 }, { ...RECEIVE, note }, deps);
  await written.promise;
  const look = async () => {
    await time.advance(2_000);
    return noted.at(-1) ?? 0;
  };
  await expect.poll(look, { timeout: 20_000 }).toBeGreaterThanOrEqual(1_000_000);
  expect(noted.at(-1)).toBeLessThan(2_000_000);
  mayEnd.resolve();
  await expect.poll(look, { timeout: 20_000 }).toBeGreaterThanOrEqual(2_000_000);
  compared.resolve();
  await received;
  const last = noted.length;
  await time.advance(10_000);
  expect(noted).toHaveLength(last);
});
