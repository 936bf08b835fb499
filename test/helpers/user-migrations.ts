import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Deployment } from './deployment.ts';
import { testedPocketBase } from './tested-pocketbase.ts';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'migrations');

/** Where the migrations of an application lie. */
export function migrationsOf(fathom: Deployment, application = 'shop'): string {
  return join(fathom.dataDir, 'apps', application, 'migrations');
}

/** Puts a file among the migrations of an application. */
export async function putMigration(
  fathom: Deployment,
  name: string,
  text: string | Uint8Array,
  application = 'shop',
): Promise<void> {
  await mkdir(migrationsOf(fathom, application), { recursive: true });
  await writeFile(join(migrationsOf(fathom, application), name), text);
}

export async function putFixture(fathom: Deployment, name: string): Promise<void> {
  await mkdir(migrationsOf(fathom), { recursive: true });
  await cp(join(FIXTURES, name), join(migrationsOf(fathom), name));
}

/** What `pocketbase migrate collections` writes in a project that has nothing but what PocketBase begins with. */
export async function putSnapshotOfPlainProject(fathom: Deployment): Promise<void> {
  const { path } = await verifyBinary(await testedPocketBase());
  const project = join(fathom.dataDir, 'plain-project');
  const flags = [
    `--dir=${join(project, 'pb_data')}`,
    `--migrationsDir=${migrationsOf(fathom)}`,
    '--dev=false',
  ];
  await execa(path, ['migrate', 'up', ...flags]);
  await execa(path, ['migrate', 'collections', ...flags], { input: 'y\n' });
}

/** A migration that makes a collection with nothing in it. */
export function makesCollection(name: string): string {
  return `migrate((app) => app.save(new Collection({ type: 'base', name: '${name}', listRule: '', fields: [] })));`;
}

export function dataFileOf(fathom: Deployment, database: string): string {
  return join(fathom.dataDir, 'user_dbs', database, 'pb_data', 'data.db');
}

export function readUserDatabase<T>(
  fathom: Deployment,
  name: string,
  work: (database: DatabaseSync) => T,
): T {
  return withDatabase(dataFileOf(fathom, name), { readOnly: true, timeoutMs: 2_000 }, work);
}

export function changeUserDatabase(fathom: Deployment, name: string, sql: string): void {
  withDatabase(dataFileOf(fathom, name), { readOnly: false, timeoutMs: 2_000 }, (database) =>
    database.exec(sql),
  );
}

/** A collection with a record that has a file. */
export const SEEDS_A_FILE = `migrate((app) => {
  const seeds = new Collection({
    type: 'base', name: 'seeds', listRule: '', viewRule: '',
    fields: [{ type: 'file', name: 'file', maxSelect: 1 }, { type: 'text', name: 'title' }],
    indexes: ['CREATE INDEX idx_seeds_title ON seeds (title)'],
  });
  app.save(seeds);
  const seed = new Record(seeds);
  seed.set('file', $filesystem.fileFromBytes('seeded', 'seed.txt'));
  app.save(seed);
});`;

/** As the instance itself says. */
export async function hasCollectionIn(
  fathom: Deployment,
  database: string,
  collection: string,
): Promise<boolean> {
  const { items } = await fathom.client.databases.collections(database);
  return items.some(({ name }) => name === collection);
}
