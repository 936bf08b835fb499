import { createHash } from 'node:crypto';
import { readAhead } from '../base/concurrent.ts';
import { freeBuffer } from '../base/free-buffer.ts';
import { BackupProblem } from './backup-problem.ts';
import type { DataKey } from './keys/data-key.ts';
import { type BackedUpFile, type Backup, chunkKey } from './manifest.ts';
import type { Target } from './targets/target.ts';

/** A target that is far away answers late. */
const CHUNKS_AHEAD = 4;

export interface FileSource {
  backup: Pick<Backup, 'id' | 'database'>;
  target: Target;
  key: DataKey;
  /** What is done with the file, for messages. */
  purpose: 'read' | 'restored';
}

/**
 * Reads a file of a backup, in parts. At the end, its content is compared with its hash.
 *
 * @throws BackupProblem when a part is missing or damaged, or the whole is not what was backed up
 */
export async function* readBackedUpFile(
  { path, bytes, sha256, chunks }: BackedUpFile,
  { backup: { id, database }, target, key, purpose }: FileSource,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let read = 0;
  const get = async (name: string) => {
    const place = chunkKey(database, name);
    return { place, sealed: await target.get(place) };
  };
  for await (const { place, sealed } of readAhead(chunks, CHUNKS_AHEAD, get)) {
    if (sealed === null)
      throw new BackupProblem(`${place} is missing, so ${path} of the backup ${id} cannot be ${purpose}`);
    const part = key.open(sealed, place);
    freeBuffer(sealed);
    hash.update(part);
    read += part.length;
    yield part;
  }
  if (read !== bytes || hash.digest('hex') !== sha256)
    throw new BackupProblem(`${path} of the backup ${id} is not what was backed up; use another backup`);
}
