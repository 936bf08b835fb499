import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { bareInstance } from '../../test/helpers/bare-instance.ts';
import { scratch } from '../../test/helpers/scratch.ts';
import { listAll } from '../../test/helpers/target-conformance.ts';
import { until } from '../../test/helpers/until.ts';
import { BackupProblem, DamagedDatabase } from './backup-problem.ts';
import { createRecoveryKey } from './keys/recovery-key.ts';
import { ensureDataKey, readDataKey, type WithKeys } from './keys/stored-keys.ts';
import { type Backup, listBackups, readManifest } from './manifest.ts';
import { restoreBackup } from './restore-backup.ts';
import { DirectoryTarget } from './targets/directory-target.ts';
import { writeBackup } from './write-backup.ts';

const DATABASE = '2024-01-15-001-johndoe';
const MASTER = { id: 'abcd1234', key: randomBytes(32) };
const RECOVERY = createRecoveryKey();
const NOW = new Date(Date.UTC(2024, 0, 15, 10));

/** A database directory, and a target for its backups. */
class Place {
  readonly root: string;
  readonly dataDir: string;
  readonly target: DirectoryTarget;
  #restores = 0;

  constructor(root: string) {
    this.root = root;
    this.dataDir = join(root, 'pb_data');
    this.target = new DirectoryTarget(join(root, 'target'));
  }

  get targetDir(): string {
    return join(this.root, 'target');
  }

  key() {
    return ensureDataKey(this.target, DATABASE, { masters: [MASTER], recovery: RECOVERY.publicText });
  }

  async backUp(previous: Backup | null = null) {
    const source = { database: DATABASE, dataDir: this.dataDir, scratchDir: join(this.root, 'scratch') };
    return writeBackup(source, { target: this.target, key: await this.key(), previous, now: NOW });
  }

  async restore(id: string): Promise<string> {
    const key = await readDataKey(this.target, DATABASE, { masters: [MASTER] });
    const backup = await readManifest(this.target, key, { database: DATABASE, id });
    this.#restores += 1;
    const directory = join(this.root, `restored-${this.#restores}`);
    await restoreBackup(backup, { target: this.target, key, directory });
    return directory;
  }

  async store(path: string, content: Uint8Array): Promise<void> {
    const file = join(this.dataDir, 'storage', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

let place: Place;
beforeEach(async () => {
  place = await createPlace();
});

async function createPlace(): Promise<Place> {
  const created = new Place(await scratch());
  await mkdir(created.dataDir);
  return created;
}

function openData(directory: string): DatabaseSync {
  const database = new DatabaseSync(join(directory, 'data.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x BLOB)');
  return database;
}

function rowsOf(directory: string): unknown[] {
  using database = new DatabaseSync(join(directory, 'data.db'));
  return database.prepare('SELECT id, hex(x) AS x FROM t ORDER BY id').all();
}

async function filesOf(directory: string): Promise<Map<string, string>> {
  const storage = join(directory, 'storage');
  const entries = await readdir(storage, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const contents = files
    .toSorted()
    .map(async (file) => [file.slice(storage.length), (await readFile(file)).toString('base64')]);
  return new Map((await Promise.all(contents)) as [string, string][]);
}

describe('a backup', () => {
  it('brings every state back, after any edits', async () => {
    const edit = fc.oneof(
      fc.record({ kind: fc.constant('insert' as const), bytes: fc.integer({ min: 1, max: 60_000 }) }),
      fc.record({ kind: fc.constant('update' as const), row: fc.nat({ max: 30 }) }),
      fc.record({ kind: fc.constant('delete' as const), row: fc.nat({ max: 30 }) }),
      fc.record({ kind: fc.constantFrom('vacuum' as const, 'checkpoint' as const, 'reopen' as const) }),
      fc.record({
        kind: fc.constantFrom('store' as const, 'remove' as const),
        file: fc.nat({ max: 5 }),
        bytes: fc.constantFrom(0, 1, 262_143, 262_144, 262_145, 600_000),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(edit, { maxLength: 6 }), { maxLength: 4 }), async (rounds) => {
        const here = await createPlace();
        let database = openData(here.dataDir);
        const states: { id: string; rows: unknown[]; files: Map<string, string> }[] = [];
        let previous: Backup | null = null;
        let stored = 0;
        for (const edits of rounds) {
          for (const one of edits) {
            if (one.kind === 'insert')
              database.prepare('INSERT INTO t (x) VALUES (?)').run(randomBytes(one.bytes));
            else if (one.kind === 'update')
              database.prepare('UPDATE t SET x = ? WHERE id = ?').run(randomBytes(500), one.row);
            else if (one.kind === 'delete') database.prepare('DELETE FROM t WHERE id = ?').run(one.row);
            else if (one.kind === 'vacuum') database.exec('VACUUM');
            else if (one.kind === 'checkpoint') database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
            else if (one.kind === 'reopen') {
              database.close();
              database = openData(here.dataDir);
            } else if (one.kind === 'remove') {
              await rm(join(here.dataDir, 'storage', `c/${one.file}`), { recursive: true, force: true });
            } else if (one.kind === 'store') {
              // PocketBase never rewrites a file: each has a name of its own.
              stored += 1;
              await here.store(`c/${one.file}/${stored}.bin`, randomBytes(one.bytes));
            }
          }
          const { backup } = await here.backUp(previous);
          previous = backup;
          states.push({ id: backup.id, rows: rowsOf(here.dataDir), files: await filesOf(here.dataDir) });
        }
        database.close();
        for (const { id, rows, files } of states) {
          const restored = await here.restore(id);
          expect(rowsOf(restored)).toEqual(rows);
          expect(await filesOf(restored)).toEqual(files);
        }
        await rm(here.root, { recursive: true });
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('stores only what has changed', async () => {
    using database = openData(place.dataDir);
    const insert = database.prepare('INSERT INTO t (x) VALUES (?)');
    for (let row = 0; row < 400; row += 1) insert.run(randomBytes(20_000));
    await place.store('c/r/a.bin', randomBytes(3_000_000));
    const first = await place.backUp();
    expect(first.stored.chunks).toBeGreaterThan(30);
    const second = await place.backUp(first.backup);
    expect(second.stored).toEqual({ chunks: 0, bytes: 0 });
    database.prepare('UPDATE t SET x = ? WHERE id = 200').run(randomBytes(20_000));
    const third = await place.backUp(second.backup);
    // The first page, and those of the row.
    expect(third.stored.chunks).toBeLessThanOrEqual(4);
    expect(await listBackups(place.target, DATABASE)).toHaveLength(3);
  });

  it('contains nothing of the content in plain text, and no links', async () => {
    using database = openData(place.dataDir);
    database.prepare('INSERT INTO t (x) VALUES (?)').run(Buffer.from('a secret of the owner'.repeat(50)));
    await place.store('c/r/secret-name.txt', Buffer.from('a secret of the owner'.repeat(50)));
    await symlink('/etc/passwd', join(place.dataDir, 'storage', 'c', 'r', 'link'));
    const { backup } = await place.backUp();
    for (const { key } of await listAll(place.target, '')) {
      const content = `${key} ${(await place.target.get(key))?.toString('latin1')}`;
      expect(content).not.toMatch(/a secret of the owner|secret-name/);
    }
    const restored = await place.restore(backup.id);
    expect([...(await filesOf(restored)).keys()]).toEqual(['/c/r/secret-name.txt']);
  });

  it('is restored with the recovery key when the host is lost', async () => {
    using database = openData(place.dataDir);
    database.exec("INSERT INTO t (x) VALUES ('kept')");
    const { backup } = await place.backUp();
    const recovered = await readDataKey(place.target, DATABASE, { recoveryKey: `${RECOVERY.privateText}\n` });
    const directory = join(place.root, 'recovered');
    const read = await readManifest(place.target, recovered, backup);
    await restoreBackup(read, { target: place.target, key: recovered, directory });
    expect(rowsOf(directory)).toEqual(rowsOf(place.dataDir));

    const { privateText } = createRecoveryKey();
    await expect(readDataKey(place.target, DATABASE, { recoveryKey: privateText })).rejects.toThrow(
      BackupProblem,
    );
    await expect(readDataKey(place.target, DATABASE, { recoveryKey: 'nonsense' })).rejects.toThrow(
      'no recovery key',
    );
  });

  it('stays readable after a change of the master key and of the recovery key', async () => {
    using database = openData(place.dataDir);
    database.exec('INSERT INTO t (x) VALUES (1)');
    const { backup } = await place.backUp();
    const next = { id: 'ffff0000', key: randomBytes(32) };
    const other = createRecoveryKey();
    await ensureDataKey(place.target, DATABASE, { masters: [next, MASTER], recovery: other.publicText });
    const withKeys: WithKeys[] = [{ masters: [next] }, { recoveryKey: other.privateText }];
    for (const keys of withKeys) {
      const key = await readDataKey(place.target, DATABASE, keys);
      expect(await readManifest(place.target, key, backup)).toEqual(backup);
    }
    await expect(readDataKey(place.target, DATABASE, { masters: [MASTER] })).rejects.toMatchObject({
      code: 'secret.undecryptable',
    });
  });

  it('is refused when any object was changed, moved or removed', async () => {
    using database = openData(place.dataDir);
    const insert = database.prepare('INSERT INTO t (x) VALUES (?)');
    for (let row = 0; row < 30; row += 1) insert.run(randomBytes(20_000));
    const { backup } = await place.backUp();
    const objects = (await listAll(place.target, '')).filter(({ key }) => !key.startsWith('keys/'));
    const [one, two] = objects.filter(({ key }) => key.startsWith('chunks/'));
    expect(objects.length).toBeGreaterThan(3);
    for (const { key } of objects) {
      const whole = (await place.target.get(key)) as Buffer;
      const changed = Buffer.from(whole);
      const at = whole.length >> 1;
      changed[at] = (changed[at] ?? 0) ^ 1;
      const moved = await place.target.get((key === one?.key ? two : one)?.key ?? '');
      for (const content of [changed, whole.subarray(0, at), moved, null]) {
        if (content === null) await place.target.delete(key);
        else await place.target.put(key, content);
        await expect(place.restore(backup.id), key).rejects.toThrow(BackupProblem);
      }
      await place.target.put(key, whole);
    }
    // Nothing is left of the attempts.
    expect((await readdir(place.root)).filter((name) => name.includes('restor'))).toEqual([]);
    expect(rowsOf(await place.restore(backup.id))).toHaveLength(30);
  });

  it('is not made of a damaged database, and stores nothing', async () => {
    const database = openData(place.dataDir);
    const insert = database.prepare('INSERT INTO t (x) VALUES (?)');
    for (let row = 0; row < 300; row += 1) insert.run(randomBytes(2_000));
    database.close();
    const good = await place.backUp();
    const objects = await listAll(place.target, '');
    const file = join(place.dataDir, 'data.db');
    const content = await readFile(file);
    for (const [start, end] of [
      [40_960, 45_056],
      [0, 100],
    ]) {
      await writeFile(file, Buffer.from(content).fill(7, start, end));
      await expect(place.backUp(good.backup)).rejects.toThrow(DamagedDatabase);
    }
    expect(await listAll(place.target, '')).toEqual(objects);
    expect(rowsOf(await place.restore(good.backup.id))).toHaveLength(300);
  });

  it('uses nothing of a backup that was interrupted', async () => {
    using database = openData(place.dataDir);
    database.exec("INSERT INTO t (x) VALUES ('before')");
    // The copies of a writer that was killed.
    const scratchDir = join(place.root, 'scratch');
    await cp(place.dataDir, scratchDir, { recursive: true });
    database.exec("UPDATE t SET x = 'after'; PRAGMA wal_checkpoint(TRUNCATE)");
    const wal = join(place.dataDir, 'data.db-wal');
    database.close();
    expect((await stat(join(scratchDir, 'data.db-wal'))).size).toBeGreaterThan(0);
    await rm(wal, { force: true });
    const { backup } = await place.backUp();
    expect(rowsOf(await place.restore(backup.id))).toEqual(rowsOf(place.dataDir));
  });

  it('has values that are larger than those that the daemon reads', async () => {
    using database = openData(place.dataDir);
    database.prepare('INSERT INTO t (x) VALUES (zeroblob(?))').run(5 * 1024 * 1024);
    const { backup } = await place.backUp();
    expect(rowsOf(await place.restore(backup.id))).toEqual(rowsOf(place.dataDir));
  });

  it('has accounts without a limit', async () => {
    using database = openData(place.dataDir);
    database.exec(`CREATE TABLE users (id);
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10001) INSERT INTO users SELECT i FROM n`);
    const { backup } = await place.backUp();
    using restored = new DatabaseSync(join(await place.restore(backup.id), 'data.db'));
    expect(restored.prepare('SELECT count(*) AS n FROM users').get()).toEqual({ n: 10_001 });
  });

  it('does not replace a directory', async () => {
    openData(place.dataDir).close();
    const { backup } = await place.backUp();
    await mkdir(join(place.root, 'restored-1'));
    await expect(place.restore(backup.id)).rejects.toThrow('exists');
  });
});

const url = (file: string) => JSON.stringify(join(import.meta.dirname, file));

describe('a writer that is killed', () => {
  it('leaves every backup that can be seen complete, and the next one continues', async () => {
    using database = openData(place.dataDir);
    const insert = database.prepare('INSERT INTO t (x) VALUES (?)');
    for (let row = 0; row < 100; row += 1) insert.run(randomBytes(20_000));
    const program = `
      import { writeBackup } from ${url('write-backup.ts')};
      import { ensureDataKey } from ${url('keys/stored-keys.ts')};
      import { DirectoryTarget } from ${url('targets/directory-target.ts')};
      const target = new DirectoryTarget(${JSON.stringify(place.targetDir)});
      const masters = [{ id: '${MASTER.id}', key: Buffer.from('${MASTER.key.toString('hex')}', 'hex') }];
      const key = await ensureDataKey(target, '${DATABASE}', { masters, recovery: '${RECOVERY.publicText}' });
      const source = { database: '${DATABASE}', dataDir: ${JSON.stringify(place.dataDir)}, scratchDir: ${JSON.stringify(join(place.root, 'scratch'))} };
      for (;;) await writeBackup(source, { target, key, previous: null, now: new Date() });`;
    for (let round = 0; round < 6; round += 1) {
      // New content, so that each writer has something to store.
      database.prepare('UPDATE t SET x = ? WHERE id % 6 = ?').run(randomBytes(20_000), round);
      const before = (await listAll(place.target, '')).length;
      const writer = spawn(process.execPath, ['--input-type=module', '--eval', program], {
        stdio: 'inherit',
      });
      const exit = once(writer, 'exit');
      await until(async () => (await listAll(place.target, '')).length > before + round * 2, {
        what: 'some objects',
      });
      writer.kill('SIGKILL');
      await exit;
      for (const id of await listBackups(place.target, DATABASE)) {
        expect(rowsOf(await place.restore(id))).toHaveLength(100);
      }
    }
    const { backup } = await place.backUp();
    expect(rowsOf(await place.restore(backup.id))).toEqual(rowsOf(place.dataDir));
  }, 120_000);
});

it('backs up a PocketBase that writes all the time, and PocketBase runs on the restored files', async () => {
  const instance = await bareInstance();
  await writeFile(
    join(instance.command.migrationsDir ?? '', '1_docs.js'),
    `migrate((app) => app.save(new Collection({ type: 'base', name: 'docs', listRule: '', createRule: '',
      fields: [{ type: 'number', name: 'n' }, { type: 'text', name: 'text' }] })));`,
  );
  const running = await instance.start();
  await instance.untilReady();
  const docs = `http://127.0.0.1:${instance.command.port}/api/collections/docs/records`;
  const headers = { 'content-type': 'application/json' };
  let written = 0;
  const end = new AbortController();
  const write = async () => {
    while (!end.signal.aborted) {
      const body = JSON.stringify({ n: written, text: 'x'.repeat(2_000) });
      const { status } = await fetch(docs, { method: 'POST', headers, body });
      if (status !== 200) throw new Error(`a record was answered with ${status}`);
      written += 1;
    }
  };
  const writing = write();
  const here = new Place(instance.directory);
  const made: { id: string; acknowledged: number }[] = [];
  while (made.length < 5) {
    await until(() => written > 40 * (made.length + 1), { what: 'records' });
    const acknowledged = written;
    made.push({ id: (await here.backUp()).backup.id, acknowledged });
  }
  end.abort();
  await writing;
  running.signal('SIGTERM');
  await running.exited;

  let dataDir = '';
  for (const { id, acknowledged } of made) {
    dataDir = await here.restore(id);
    using database = new DatabaseSync(join(dataDir, 'data.db'));
    const numbers = database
      .prepare('SELECT n FROM docs ORDER BY n')
      .all()
      .map(({ n }) => n);
    // All that were acknowledged before the backup began, and no gap.
    expect(numbers.length).toBeGreaterThanOrEqual(acknowledged);
    expect(numbers).toEqual(numbers.map((_, index) => index));
  }
  await instance.start({ dataDir });
  await instance.untilReady();
  const page = (await (await fetch(`${docs}?perPage=1`)).json()) as { totalItems: number };
  expect(page.totalItems).toBeGreaterThanOrEqual(made.at(-1)?.acknowledged ?? Number.NaN);
}, 120_000);
