import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { execa } from 'execa';
import { beforeEach, expect, it } from 'vitest';
import { failureOf, runBackupWork } from '../../daemon/backups/run/backup-work.ts';
import type { TargetWriter } from '../../daemon/backups/run/target-identity.ts';
import { DirectoryTarget } from '../../daemon/backups/targets/directory-target.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { scratch } from '../helpers/scratch.ts';
import { listAll } from '../helpers/target-conformance.ts';
import { textWith } from '../helpers/text-with.ts';

const DATABASE = '2024-01-15-001-johndoe';
const MASTER = { id: 'abcd1234', key: randomBytes(32) };
const ROWS = 200;
/** More than what a fault leaves free. */
const ROW_BYTES = 5_000;

let root: string;
let target: string;
let scratchDir: string;
let writer: TargetWriter;
let masters: [{ id: string; key: Buffer }, ...{ id: string; key: Buffer }[]];

beforeEach(async () => {
  root = await scratch();
  target = join(root, 'target');
  scratchDir = join(root, 'scratch', DATABASE);
  writer = { host: randomUUID(), daemon: randomUUID() };
  masters = [MASTER];
  await mkdir(join(root, 'pb_data'));
  write('first');
});

const data = () => join(root, 'pb_data', 'data.db');

function write(text: string): void {
  using database = new DatabaseSync(data());
  database.exec('CREATE TABLE IF NOT EXISTS t (text, x)');
  const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
  database.exec('BEGIN');
  for (let row = 0; row < ROWS; row += 1) insert.run(text, randomBytes(ROW_BYTES));
  database.exec('COMMIT');
}

function prepare(rewrap = false) {
  const claim = { ...writer, isFirst: true, restoredFrom: null, expected: null, isAccepted: false };
  const keys = { masters, recovery: null };
  return runBackupWork({ kind: 'prepare', target, claim, keys, secrets: {}, rewrap });
}

function backUp(at = new Date()) {
  const source = { database: DATABASE, dataDir: join(root, 'pb_data'), scratchDir };
  const keys = { masters, recovery: null };
  const reserve = { directory: root, bytes: 0 };
  return runBackupWork({ kind: 'backup', target, writer, keys, source, at, reserve });
}

async function textsOf(id: string): Promise<string[]> {
  const directory = join(root, 'restored');
  await runBackupWork({ kind: 'restore', target, database: DATABASE, masters, id, directory });
  using restored = new DatabaseSync(join(directory, 'data.db'));
  const rows = restored.prepare('SELECT DISTINCT text FROM t ORDER BY text').all();
  restored.close();
  await rm(directory, { recursive: true });
  return rows.map(({ text }) => String(text));
}

async function fill(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  await writeFile(join(directory, '.filler'), Buffer.alloc(Math.max(0, bavail * bsize - 16_384)));
}

type Undo = () => Promise<unknown>;

/** Each causes a failure, and returns what ends it. */
const FAULTS: readonly {
  what: string;
  reason: string;
  /** A part of it, if it is not that of the reason. */
  remedy?: string;
  isForRoot?: boolean;
  cause: () => Promise<Undo>;
}[] = [
  {
    what: 'a target without space',
    reason: 'target_full',
    remedy: 'BACKUP_KEEP',
    isForRoot: true,
    cause: async () => {
      await fill(target);
      return () => rm(join(target, '.filler'));
    },
  },
  {
    what: 'a target that may not be written',
    reason: 'target_denied',
    remedy: 'mount it with write access',
    isForRoot: true,
    cause: async () => {
      await execa('mount', ['-o', 'remount,ro', target]);
      return () => execa('mount', ['-o', 'remount,rw', target]);
    },
  },
  {
    what: 'a target that is not mounted',
    reason: 'target_away',
    cause: async () => {
      const mark = join(target, 'fathom.json');
      const content = await readFile(mark);
      await rm(mark);
      return () => writeFile(mark, content);
    },
  },
  {
    what: 'the target of another deployment',
    reason: 'target_foreign',
    cause: () => {
      const own = writer;
      writer = { ...own, host: randomUUID() };
      return Promise.resolve(async () => {
        writer = own;
        await Promise.resolve();
      });
    },
  },
  {
    what: 'a target that a copy of the host uses',
    reason: 'target_foreign',
    remedy: 'backup-host.json',
    cause: async () => {
      const own = writer;
      writer = { ...own, daemon: randomUUID() };
      await prepare();
      writer = own;
      return async () => {
        await prepare();
      };
    },
  },
  {
    what: 'a master key that was replaced without the former one',
    reason: 'key_unusable',
    cause: () => {
      masters = [{ id: 'ffff0000', key: randomBytes(32) }];
      return Promise.resolve(async () => {
        masters = [...masters, MASTER];
        await prepare(true);
        masters = [masters[0]];
      });
    },
  },
  {
    what: 'a damaged database',
    reason: 'database_damaged',
    cause: async () => {
      const content = await readFile(data());
      await writeFile(data(), Buffer.from(content).fill(7, 40_960, 49_152));
      return () => writeFile(data(), content);
    },
  },
  {
    what: 'a disk without space for the copy',
    reason: 'disk_full',
    isForRoot: true,
    cause: async () => {
      const disk = join(root, 'disk');
      await mkdir(disk);
      await mountTmpfs(disk, 1);
      const before = scratchDir;
      scratchDir = join(disk, DATABASE);
      return async () => {
        scratchDir = before;
        await Promise.resolve();
      };
    },
  },
];

it.for(FAULTS)('names $what, keeps earlier backups and continues', async (fault, { skip }) => {
  const { reason, remedy, isForRoot = false, cause } = fault;
  skip(isForRoot && !mayMount, 'needs root');
  await mkdir(target);
  if (mayMount) await mountTmpfs(target, 32);
  await prepare();
  const first = await backUp();
  const manifests = () => listAll(new DirectoryTarget(target), 'manifests/');
  const before = await manifests();
  write('second');
  const undo = await cause();
  const failure = await backUp().then(() => null, failureOf);
  expect(failure).toMatchObject({ reason, message: expect.stringMatching(/.{20}/) as string });
  expect(failure?.remedy).toEqual(remedy && textWith(remedy));
  expect(await manifests()).toEqual(before);
  await undo();
  const second = await backUp();
  expect(await textsOf(first.id)).toEqual(['first']);
  expect(await textsOf(second.id)).toEqual(['first', 'second']);
});

it('makes and finds backups with a clock that was ahead, and set back', async () => {
  await mkdir(target);
  await prepare();
  const now = new Date();
  const ahead = await backUp(new Date(now.getTime() + 86_400_000));
  write('second');
  const behind = await backUp(now);
  const work = { target, database: DATABASE, masters, now: new Date() };
  const found = await runBackupWork({ kind: 'find', ...work, id: 'latest' });
  expect(found).toMatchObject({ backup: { id: behind.id }, ignored: [ahead.id] });
  expect(await textsOf(behind.id)).toEqual(['first', 'second']);
  expect(await textsOf(ahead.id)).toEqual(['first']);
});

it.each(['changed', 'missing'])('refuses a backup with a part that is %s, and repairs it', async (fault) => {
  await mkdir(target);
  await prepare();
  const { id } = await backUp();
  const chunks = await listAll(new DirectoryTarget(target), `chunks/${DATABASE}/`);
  const key = chunks.at(-1)?.key ?? '';
  const part = join(target, key);
  if (fault === 'missing') await rm(part);
  else await writeFile(part, randomBytes(1_000));
  await expect(textsOf(id)).rejects.toThrow(key);
  const verify = { kind: 'verify', target, writer, database: DATABASE, masters, ids: [] } as const;
  expect(await runBackupWork(verify)).toMatchObject([{ id, state: 'damaged' }]);
  expect(await backUp()).toMatchObject({ stored_chunks: 1 });
  expect(await textsOf(id)).toEqual(['first']);
});
