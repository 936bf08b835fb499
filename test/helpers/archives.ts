import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArchivedFile, archiveOf, textFile } from '../../daemon/backups/export/archive.ts';
import { scratch } from './scratch.ts';

const MODIFIED = '2026-01-15T02:00:00.000Z';
const [DATABASE, BACKUP] = ['2026-01-15-001-ann', '20260115t020000000z-4f2a9c11'];
/** The directory in the archive. */
export const DIRECTORY = `${DATABASE}-${BACKUP}/`;

export interface MadeFile {
  path: string;
  content: string | Buffer;
}

export function archivedFile({ path, content }: MadeFile, prefix = DIRECTORY): ArchivedFile {
  const bytes = Buffer.from(content);
  return {
    ...textFile(`${prefix}${path}`, '', new Date(MODIFIED)),
    bytes: bytes.length,
    async *read() {
      yield bytes;
    },
  };
}

/** The list of files of an archive. @param changes replaces values of it */
export function manifestOf(files: readonly MadeFile[], changes: object = {}): string {
  const listed = files.map(({ path, content }) => {
    const bytes = Buffer.from(content);
    return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  const ids = { database: DATABASE, backup: BACKUP, created_at: MODIFIED };
  return JSON.stringify({ format: 1, ...ids, files: listed, ...changes });
}

export async function packArchive(files: readonly MadeFile[], manifest = manifestOf(files)): Promise<Buffer> {
  const all = [{ path: 'manifest.json', content: manifest }, ...files].map((file) => archivedFile(file));
  const parts: Buffer[] = [];
  for await (const part of archiveOf(all)) parts.push(part);
  return Buffer.concat(parts);
}

/** @returns the path of a new file */
export async function writeArchive(content: Buffer): Promise<string> {
  const path = join(await scratch(), 'archive.tar');
  await writeFile(path, content);
  return path;
}
