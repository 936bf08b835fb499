import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { readAhead } from '../../base/concurrent.ts';
import { BackupProblem } from '../backup-problem.ts';
import type { DataKey } from '../keys/data-key.ts';
import { type BackedUpFile, type Backup, chunkKey } from '../manifest.ts';
import type { Target } from '../targets/target.ts';
import { TAR_END, type TarEntry, tarBytesOf, tarHeader, tarPadding } from './tar.ts';

/** A target that is far away answers late. Each part has at most some hundred KiB. */
const CHUNKS_AHEAD = 4;
const READ_BYTES = 256 * 1024;

/** A file of an archive, and where its content comes from. */
export interface ArchivedFile extends TarEntry {
  read: () => AsyncIterable<Buffer>;
}

/** The exact size of an archive. */
export function archiveBytesOf(files: readonly TarEntry[]): number {
  return files.reduce((sum, file) => sum + tarBytesOf(file), TAR_END.length);
}

/**
 * A tar archive, in parts. It reads only as fast as it is read, and holds a few parts of one file in memory.
 *
 * @param options.isEnded whether no other archive follows
 * @throws BackupProblem for content that is not as long as its header says
 */
export async function* archiveOf(
  files: Iterable<ArchivedFile> | AsyncIterable<ArchivedFile>,
  { isEnded = true } = {},
): AsyncGenerator<Buffer> {
  for await (const file of files) {
    yield tarHeader(file);
    let written = 0;
    for await (const part of file.read()) {
      written += part.length;
      // What follows would be taken for another file.
      if (written > file.bytes) break;
      yield part;
    }
    if (written !== file.bytes) throw new BackupProblem(`${file.path} has changed while it was read`);
    yield tarPadding(file.bytes);
  }
  if (isEnded) yield Buffer.from(TAR_END);
}

/** An uploaded file of a backup, read from its parts. Its content is compared with its hash at the end. */
export function backedUpFile(
  file: BackedUpFile,
  { backup, target, key, prefix }: { backup: Backup; target: Target; key: DataKey; prefix: string },
): ArchivedFile {
  const { path, bytes, sha256, chunks } = file;
  const { id, database, created_at } = backup;
  const getWithPlace = async (place: string) => [place, await target.get(place)] as const;
  return {
    path: `${prefix}${path}`,
    bytes,
    modified: new Date(created_at),
    async *read() {
      const hash = createHash('sha256');
      const places = chunks.map((name) => chunkKey(database, name));
      for await (const [place, sealed] of readAhead(places, CHUNKS_AHEAD, getWithPlace)) {
        if (sealed === null) throw new BackupProblem(`${place} is missing, so ${path} cannot be read`);
        const part = key.open(sealed, place);
        hash.update(part);
        yield part;
      }
      if (hash.digest('hex') !== sha256)
        throw new BackupProblem(`${path} of the backup ${id} is not what was backed up; use another backup`);
    },
  };
}

/** An open file of this host. */
export function openFile(handle: FileHandle, entry: TarEntry): ArchivedFile {
  return {
    ...entry,
    async *read() {
      for (let at = 0; at < entry.bytes; ) {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, at);
        if (bytesRead === 0) return;
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
  };
}

/** A text that is in memory. */
export function textFile(path: string, text: string, modified: Date): ArchivedFile {
  const content = Buffer.from(text);
  return {
    path,
    bytes: content.length,
    modified,
    async *read() {
      yield content;
    },
  };
}
