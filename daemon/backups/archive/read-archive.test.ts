import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DIRECTORY, manifestOf, packArchive, writeArchive } from '../../../test/helpers/archives.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { openArchive } from './read-archive.ts';

const FILES = [
  { path: 'data.db', content: 'd'.repeat(700) },
  { path: `storage/c/r/${'long '.repeat(30)}Größe.txt`, content: 'text' },
  { path: 'storage/c/r/empty', content: '' },
];
const BLOCK = 512;

/** Reads everything. */
async function readAll(path: string): Promise<Record<string, string>> {
  await using opened = await openArchive(path);
  const read: Record<string, string> = {};
  for (const file of opened.files) {
    const parts: Buffer[] = [];
    for await (const part of opened.read(file)) parts.push(part);
    read[file.path] = Buffer.concat(parts).toString();
  }
  return read;
}

it('reads what it contains', async () => {
  const path = await writeArchive(await packArchive(FILES));
  expect(await readAll(path)).toEqual(Object.fromEntries(FILES.map((file) => [file.path, file.content])));
});

/** Changes a header, and corrects its checksum. */
function changeHeader(archive: Buffer, name: string, change: (header: Buffer) => void): Buffer {
  const at = archive.indexOf(`${DIRECTORY}${name}`);
  const header = archive.subarray(at, at + BLOCK);
  change(header);
  header.write(' '.repeat(8), 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
  return archive;
}

const typed = (type: string) => (archive: Buffer) =>
  changeHeader(archive, 'data.db', (header) => {
    header.write(type, 156);
    header.write('/etc/passwd', 157);
  });

/** The position of the header of a file. */
const headerOf = (archive: Buffer, name: string) => archive.indexOf(`${DIRECTORY}${name}`);

describe('refuses an archive', () => {
  it.each<[string, (archive: Buffer) => Buffer]>([
    ['that is empty', () => Buffer.alloc(0)],
    ['of zeros', () => Buffer.alloc(20 * BLOCK)],
    ['that is compressed', (archive) => gzipSync(archive)],
    ['with a hard link', typed('1')],
    ['with a symbolic link', typed('2')],
    ['with a character device', typed('3')],
    ['with a block device', typed('4')],
    ['with a directory', typed('5')],
    ['with a pipe', typed('6')],
    ['with a sparse file', typed('S')],
    ['with a long name of GNU tar', typed('L')],
    ['with a global header', typed('g')],
    [
      'with a setuid mode',
      (archive) => changeHeader(archive, 'data.db', (header) => header.write('0004755', 100)),
    ],
    [
      'of GNU tar',
      (archive) => changeHeader(archive, 'data.db', (header) => header.write('ustar  \u0000', 257, 'latin1')),
    ],
    [
      'with a size in base 256',
      (archive) => changeHeader(archive, 'data.db', (header) => header.writeUInt8(0x80, 124)),
    ],
    [
      'with another name in its header',
      (archive) => changeHeader(archive, 'data.db', (header) => header.write('../../x\u0000', 0)),
    ],
    [
      'with a wrong checksum',
      (archive) => {
        archive.write('7', headerOf(archive, 'data.db') + 150);
        return archive;
      },
    ],
    ['that ends too early', (archive) => archive.subarray(0, archive.length - 3 * BLOCK)],
    ['that goes on after its end', (archive) => Buffer.concat([archive, archive])],
    [
      'with something in its padding',
      (archive) => {
        archive.write('x', headerOf(archive, 'data.db') + BLOCK + 701);
        return archive;
      },
    ],
    [
      'with another content',
      (archive) => {
        archive.write('x', headerOf(archive, 'data.db') + BLOCK);
        return archive;
      },
    ],
    [
      'without its end',
      (archive) => {
        archive.write('x', archive.length - 1);
        return archive;
      },
    ],
  ])('%s', async (_, change) => {
    const path = await writeArchive(change(await packArchive(FILES)));
    await expect(readAll(path)).rejects.toThrow("not an archive of 'fathomd backups export'");
  });

  it.each([
    ['/etc/passwd'],
    ['../data.db'],
    ['storage/../../x'],
    ['storage/../data.db'],
    ['storage//x'],
    ['storage/./x'],
    ['storage'],
    ['storage/'],
    ['auxiliary.db'],
    ['data.db-wal'],
    ['data.db/x'],
    ['.fathom.lock'],
    ['storage/a\nb'],
    ['storage/a\u0000b'],
    [`storage/${'a/'.repeat(8)}b`],
    [`storage/${'a'.repeat(256)}`],
  ])('with the path %j', async (path) => {
    const [database] = FILES;
    if (!database) throw new Error('a database');
    // The bytes are those of a path that tar can have.
    const archive = await packArchive(
      [database, { path: 'storage/x', content: 'text' }],
      manifestOf([database, { path, content: 'text' }]),
    );
    await expect(readAll(await writeArchive(archive))).rejects.toThrow('it has a file with the path');
  });

  it.each<[string, object | string]>([
    ['without data.db', { files: [] }],
    ['of another format', { format: 2 }],
    ['with a value that is not known', { more: 1 }],
    ['of a database with an odd name', { database: '../x' }],
    ['of a backup with an odd id', { backup: 'a\u001B[2J' }],
    ['with a negative size', { files: [{ path: 'data.db', bytes: -700, sha256: '0'.repeat(64) }] }],
    [
      'with a size that is too large',
      { files: [{ path: 'data.db', bytes: 2 ** 53, sha256: '0'.repeat(64) }] },
    ],
    [
      'with a size that it does not have',
      { files: [{ path: 'data.db', bytes: 2 ** 52, sha256: '0'.repeat(64) }] },
    ],
    ['whose list is not JSON', '{"format":1'],
  ])('%s', async (_, manifest) => {
    const [database] = FILES;
    if (!database) throw new Error('a database');
    const text = typeof manifest === 'string' ? manifest : manifestOf([database], manifest);
    await expect(readAll(await writeArchive(await packArchive([database], text)))).rejects.toThrow(
      "not an archive of 'fathomd backups export'",
    );
  });

  it('with a file twice, or without its list of files', async () => {
    const [database] = FILES;
    if (!database) throw new Error('a database');
    const twice = await writeArchive(await packArchive([database, database]));
    await expect(readAll(twice)).rejects.toThrow("'data.db' twice");
    const archive = await packArchive(FILES);
    const without = await writeArchive(archive.subarray(headerOf(archive, 'data.db')));
    await expect(readAll(without)).rejects.toThrow('does not begin with a list of files');
  });

  it('whose list of files says that it is larger than any', async () => {
    const archive = changeHeader(await packArchive(FILES), 'manifest.json', (header) =>
      header.write('77777777777', 124),
    );
    await expect(readAll(await writeArchive(archive))).rejects.toThrow('its list of files is too long');
  });

  it('that is a link, a pipe or a directory, or is missing', async () => {
    const directory = await scratch();
    const of = (name: string) => join(directory, name);
    await writeFile(of('file'), await packArchive(FILES));
    await symlink(of('file'), of('link'));
    execFileSync('mkfifo', [of('pipe')]);
    await mkdir(of('directory'));
    await expect(openArchive(of('link'))).rejects.toThrow('is a link');
    await expect(openArchive(of('pipe'))).rejects.toThrow('is not a file');
    await expect(openArchive(of('directory'))).rejects.toThrow('is not a file');
    await expect(openArchive(of('missing'))).rejects.toThrow('cannot open');
  });
});
