import type { FileHandle } from 'node:fs/promises';
import { TAR_END, type TarEntry, tarBytesOf, tarHeader, tarPadding } from '../archive/tar.ts';
import { BackupProblem } from '../backup-problem.ts';
import type { DataKey } from '../keys/data-key.ts';
import type { BackedUpFile, Backup } from '../manifest.ts';
import { readBackedUpFile } from '../read-file.ts';
import type { Target } from '../targets/target.ts';

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

/** A file of a backup. */
export function backedUpFile(
  file: BackedUpFile,
  { backup, target, key, prefix }: { backup: Backup; target: Target; key: DataKey; prefix: string },
): ArchivedFile {
  return {
    path: `${prefix}${file.path}`,
    bytes: file.bytes,
    modified: new Date(backup.created_at),
    read: () => readBackedUpFile(file, { backup, target, key, purpose: 'read' }),
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
