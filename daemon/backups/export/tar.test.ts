import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { tarHeader } from '../archive/tar.ts';
import { type ArchivedFile, archiveBytesOf, archiveOf, textFile } from './archive.ts';

const NOW = new Date('2026-01-15T02:00:00.000Z');

async function pack(files: readonly ArchivedFile[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of archiveOf(files)) parts.push(part);
  return Buffer.concat(parts);
}

function nameOf(path: string): string | undefined {
  return tarHeader({ path, bytes: 0, modified: NOW }).toString('latin1').split('\u0000')[0];
}

it('is unpacked by tar, with long and odd names, and is as long as it said', async () => {
  const long = `storage/${'a'.repeat(120)}/${'b'.repeat(150)}.txt`;
  const names = [
    'data.db',
    long,
    'storage/Größe 日本 🙂.txt',
    'storage/-rf',
    'storage/$(id);`id`',
    'storage/ ',
  ];
  const files = names.map((path, index) => textFile(path, 'x'.repeat(index * 700), NOW));
  const archive = await pack(files);
  expect(archive.length).toBe(archiveBytesOf(files));
  const directory = await scratch();
  await writeFile(join(directory, 'a.tar'), archive);
  await mkdir(join(directory, 'out'));
  await promisify(execFile)('tar', ['-xf', 'a.tar', '-C', 'out'], { cwd: directory });
  const found = (await readdir(join(directory, 'out'), { recursive: true, withFileTypes: true })).filter(
    (one) => one.isFile(),
  );
  expect(found).toHaveLength(names.length);
  for (const [index, name] of names.entries())
    expect(await readFile(join(directory, 'out', name), 'utf8')).toBe('x'.repeat(index * 700));
});

it.each(['../x', 'a/../../x', '/etc/passwd', 'a//b', 'a/./b', ''])('refuses the path %j', (path) => {
  expect(() => tarHeader({ path, bytes: 0, modified: NOW })).toThrow(`'${path}'`);
});

it('writes names that another system or a terminal would take for something else in another way', () => {
  expect(nameOf('..\\..\\x')).toBe('..%5C..%5Cx');
  expect(nameOf('C:x')).toBe('C%3Ax');
  expect(nameOf('a\n\u001B[2J')).toBe('a%0A%1B[2J');
});

it('has the size of a file of more than 8 GiB', () => {
  const header = tarHeader({ path: 'storage/large', bytes: 20 * 1024 ** 3, modified: NOW });
  expect(header.includes(` size=${20 * 1024 ** 3}\n`)).toBe(true);
  expect(header.length).toBe(3 * 512);
});

it('ends with an error when a file is longer or shorter than its header says', async () => {
  const file = textFile('data.db', 'four', NOW);
  for (const bytes of [3, 5]) await expect(pack([{ ...file, bytes }])).rejects.toThrow('has changed');
});
