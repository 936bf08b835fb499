import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { unlessMissing } from '../../daemon/base/files/dir.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { titlesOf } from '../helpers/documents.ts';
import { kill, ownerOf, signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { randomFrom } from '../helpers/random.ts';
import {
  hostOf,
  litestream,
  nextSecond,
  pbDataOf,
  replicated,
  scratchDirectory,
  statusOf,
  untilReplica,
  untilStatus,
} from '../helpers/replication.ts';
import { until } from '../helpers/until.ts';

const run = promisify(execFile);

/** About 12 pages in the WAL. SQLite begins it again after 1,000. */
const LARGE = 40_000;

interface Written {
  fathom: Deployment;
  tenant: Tenant;
  owner: PocketBase;
  /** Titles of acknowledged writes, by the id of the record. */
  titles: Map<string, string>;
  count: number;
}

async function signUpToWrite(fathom: Deployment): Promise<Written> {
  const tenant = await signUp(fathom);
  return { fathom, tenant, owner: await ownerOf(fathom, tenant), titles: new Map(), count: 0 };
}

/** The database runs on while the daemon does not. */
async function add(written: Written, count: number, bytes = LARGE): Promise<void> {
  const data = 'x'.repeat(bytes);
  for (let left = count; left > 0; left -= 1) {
    const title = nextTitle(written);
    const { id } = await written.owner.collection('documents').create({ title, data });
    written.titles.set(id, title);
  }
}

/** Changes pages that Litestream has read before. */
async function rename(written: Written, index: number): Promise<void> {
  const id = [...written.titles.keys()][index];
  if (id === undefined) return;
  const title = nextTitle(written);
  await written.owner.collection('documents').update(id, { title });
  written.titles.set(id, title);
}

function nextTitle(written: Written): string {
  written.count += 1;
  return `write ${String(written.count).padStart(5, '0')}`;
}

const sorted = ({ titles }: Written) => [...titles.values()].toSorted();

/** Changes when SQLite begins the WAL again. */
async function saltsOf(fathom: Deployment, name: string): Promise<string> {
  const wal = await readFile(join(pbDataOf(fathom, name), 'data.db-wal'));
  return wal.toString('hex', 16, 24);
}

/** What Litestream has read, and keeps beside the database. */
async function readChanges(fathom: Deployment, name: string): Promise<string[]> {
  const directory = join(pbDataOf(fathom, name), '.data.db-litestream', 'ltx', '0');
  return (await readdir(directory).catch(unlessMissing)) ?? [];
}

async function killWithLitestream(fathom: Deployment, daemon: Daemon): Promise<void> {
  const { pid } = await statusOf(fathom);
  daemon.signal('SIGKILL');
  await daemon.exited;
  kill(pid, 'SIGKILL');
}

/** Restores a replica with a check of all of it. */
async function restoredTitles(
  { fathom, tenant }: Written,
  target: string,
  options: readonly string[] = [],
): Promise<string[]> {
  const file = join(await scratchDirectory(), 'data.db');
  const url = `file://${target}/${await hostOf(fathom)}/${tenant.name}`;
  await run(litestream ?? '', ['restore', '-integrity-check', 'full', ...options, '-o', file, url]);
  return withDatabase(file, { readOnly: true }, (database) =>
    database
      .prepare('SELECT title FROM documents ORDER BY title')
      .all()
      .map(({ title }) => String(title)),
  );
}

describe.skipIf(litestream === null)('a replica', () => {
  it('misses nothing when SQLite began the WAL again after Litestream was killed', async () => {
    const { fathom, target } = await replicated();
    const daemon = await fathom.start();
    const written = await signUpToWrite(fathom);
    const { name } = written.tenant;
    await untilStatus(fathom, ({ databases }) => databases === 1, 'a database');
    await add(written, 40);
    await untilReplica(fathom, target, name, sorted(written));
    const before = sorted(written);
    const at = (await nextSecond()).toISOString();

    await killWithLitestream(fathom, daemon);
    const salts = await saltsOf(fathom, name);
    for (let index = 0; index < 20; index += 1) await rename(written, index);
    await until(
      async () => {
        await add(written, 1);
        return (await saltsOf(fathom, name)) !== salts;
      },
      { what: 'another beginning of the WAL' },
    );
    const { length } = await readChanges(fathom, name);
    await fathom.start();
    await until(async () => (await readChanges(fathom, name)).length > length, { what: 'more changes' });
    await add(written, 1, 0);
    await fathom.client.databases.stop(name);
    expect(await restoredTitles(written, target)).toEqual(sorted(written));
    expect(titlesOf(fathom, written.tenant)).toEqual(sorted(written));
    // What it had before can still be restored.
    expect(await restoredTitles(written, target, ['-timestamp', at])).toEqual(before);
  });

  it('has all acknowledged writes after kills of Litestream and the daemon at random times', async () => {
    const seed = Number(process.env['REPLICA_SEED'] ?? Date.now() % 1_000_000);
    const rounds = Number(process.env['REPLICA_ROUNDS'] ?? 8);
    console.log(`REPLICA_SEED=${seed}`);
    const random = randomFrom(seed);
    const { fathom, target } = await replicated();
    let daemon = await fathom.start();
    const written = await signUpToWrite(fathom);
    const { name } = written.tenant;
    let changes = 0;
    const untilRead = async (round: number) => {
      await until(async () => (await readChanges(fathom, name)).length > changes, {
        what: `changes of round ${round}, seed ${seed}`,
      });
    };
    const writeSome = async (most: number) => {
      for (let left = Math.floor(random() * most); left > 0; left -= 1) {
        if (random() < 0.5) await add(written, 1);
        else await rename(written, Math.floor(random() * written.titles.size));
      }
    };
    for (let round = 0; round < rounds; round += 1) {
      await untilRead(round);
      await writeSome(60);
      const { pid } = await statusOf(fathom);
      daemon.signal('SIGKILL');
      await daemon.exited;
      await writeSome(20);
      kill(pid, 'SIGKILL');
      changes = (await readChanges(fathom, name)).length;
      await add(written, 1, 0);
      await writeSome(90);
      daemon = await fathom.start();
      await untilRunning(fathom, name);
    }
    await untilRead(rounds);
    await fathom.client.databases.stop(name);
    expect(await restoredTitles(written, target), `seed ${seed}`).toEqual(sorted(written));
    expect(titlesOf(fathom, written.tenant)).toEqual(sorted(written));
  });
});
