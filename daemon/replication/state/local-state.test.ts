import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { forgetFrames, hasContinued, readContinuity, readPosition } from './local-state.ts';

const FRAME = 4096 + 24;

async function openDatabase(): Promise<{
  file: string;
  database: DatabaseSync;
  salts: () => Promise<Buffer>;
}> {
  const file = join(await scratch(), 'data.db');
  const database = new DatabaseSync(file);
  onTestFinished(() => database.close());
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(20000))');
  const salts = async () => (await readFile(`${file}-wal`)).subarray(16, 24);
  return { file, database, salts };
}

/** A header of a file, as Litestream writes it. */
async function putChanges(
  file: string,
  { transaction, begin, bytes, salts }: { transaction: number; begin: number; bytes: number; salts: Buffer },
): Promise<void> {
  const directory = join(file, '..', '.data.db-litestream', 'ltx', '0');
  await mkdir(directory, { recursive: true });
  const header = Buffer.alloc(100);
  header.write('LTX1', 'latin1');
  header.writeBigUInt64BE(BigInt(transaction), 24);
  header.writeBigUInt64BE(BigInt(begin), 48);
  header.writeBigUInt64BE(BigInt(bytes), 56);
  salts.copy(header, 64);
  const name = transaction.toString(16).padStart(16, '0');
  await writeFile(join(directory, `${name}-${name}.ltx`), header);
}

/** The position after three frames, of two files. */
async function stored(file: string, salts: Buffer) {
  await putChanges(file, { transaction: 9, begin: 32, bytes: FRAME, salts });
  await putChanges(file, { transaction: 10, begin: 32 + FRAME, bytes: 2 * FRAME, salts });
  return (await readPosition(file)) ?? expect.fail('no position');
}

it('has no position before the first changes', async () => {
  const { file } = await openDatabase();
  expect(await readPosition(file)).toBeNull();
});

it('continues while the WAL grows, and not when it was begun again', async () => {
  const { file, database, salts } = await openDatabase();
  const position = await stored(file, await salts());
  expect(position).toMatchObject({ transaction: 10n, end: BigInt(32 + 3 * FRAME) });
  database.exec('INSERT INTO t VALUES (1)');
  expect(await readContinuity(file, position)).toBe('continues');
  database.exec('PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES (2)');
  expect(await readContinuity(file, position)).toBe('unproven');
  forgetFrames(file);
  database.exec('INSERT INTO t VALUES (3)');
  expect(await readContinuity(file, position)).toBe('whole');
});

it('keeps the frames while another connection reads', async () => {
  const { file, database } = await openDatabase();
  database.exec('BEGIN; SELECT * FROM t');
  expect(() => forgetFrames(file)).toThrow('busy');
  database.exec('COMMIT');
  forgetFrames(file);
});

it('sees that the next changes follow, or do not', async () => {
  const { file, salts } = await openDatabase();
  const own = await salts();
  const position = await stored(file, own);
  expect(await hasContinued(file, position)).toBe(true);
  await putChanges(file, { transaction: 11, begin: 32 + 3 * FRAME, bytes: FRAME, salts: own });
  expect(await hasContinued(file, position)).toBe(true);
  await putChanges(file, { transaction: 11, begin: 32, bytes: FRAME, salts: Buffer.alloc(8, 1) });
  expect(await hasContinued(file, position)).toBe(false);
});

it('takes a removed or cut WAL for one that is stored whole', async () => {
  const { file, salts } = await openDatabase();
  const position = await stored(file, await salts());
  await truncate(`${file}-wal`, 0);
  expect(await readContinuity(file, position)).toBe('whole');
  expect(await readContinuity(`${file}.gone`, position)).toBe('whole');
});
