import { existsSync } from 'node:fs';
import { mkdir, open, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { maybeUnfinished, removeUnfinished } from './unfinished-uploads.ts';

const SECOND_MS = 1_000;
const startedAt = new Date();
const nameAt = (ms: number) => `file_a1b2c3d4e5.txt.${(BigInt(ms) * 1_000_000n).toString(16)}.tmp`;
const before = nameAt(startedAt.getTime() - SECOND_MS);

async function storage(): Promise<string> {
  const directory = join(await scratch(), 'pb_data', 'storage', 'pbc_1', 'record');
  await mkdir(directory, { recursive: true });
  return directory;
}

it('finds names that PocketBase gives to files that it writes', () => {
  expect(maybeUnfinished(`/data/x/pb_data/storage/c/r/${before}`)).toBe(true);
  for (const path of [
    `/data/x/pb_data/${before}`,
    '/data/x/pb_data/storage/c/r/file_a1b2c3d4e5.tmp',
    '/data/x/pb_data/storage/c/r/file.18f0.tmp',
    `/data/x/pb_data/storage/c/r/${before}.attrs`,
    `/data/x/pb_data/storage/c/r/${before.toUpperCase()}`,
  ])
    expect(maybeUnfinished(path), path).toBe(false);
});

it('removes those of processes that have ended, and no other', async () => {
  const directory = await storage();
  const put = async (name: string) => {
    await writeFile(join(directory, name), Buffer.alloc(8192, 'x'));
    return join(directory, name);
  };
  const left = await put(before);
  const later = await put(nameAt(startedAt.getTime() + SECOND_MS));
  const ofRecord = await put(`of_a_record.${before}`);
  await put(`of_a_record.${before}.attrs`);
  const used = await put(`in_use.${before}`);
  await using file = await open(used);
  const other = join(await storage(), `linked.${before}`);
  await writeFile(other, 'x');
  await symlink(join(other, '..'), join(directory, 'linked'));
  const linked = join(directory, 'linked', `linked.${before}`);
  await symlink(other, join(directory, `link.${before}`));
  await mkdir(join(directory, `directory.${before}`));
  const paths = [left, later, ofRecord, used, linked].concat(
    ['link', 'directory', 'gone'].map((name) => join(directory, `${name}.${before}`)),
  );
  expect((await file.stat()).size).toBe(8192);
  const removed = await removeUnfinished(paths, { pid: process.pid, startedAt });
  expect(removed).toEqual({ files: 1, bytes: expect.any(Number) as number });
  expect(removed.bytes).toBeGreaterThanOrEqual(8192);
  expect([left, later, ofRecord, used, other].map((path) => existsSync(path))).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
});
