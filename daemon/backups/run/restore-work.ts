import { messageOf } from '../../../shared/errors.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { UnsafeDatabase } from '../../pocketbase/data/schema-check.ts';
import { BackupProblem } from '../backup-problem.ts';
import { readDataKey, type WithKeys } from '../keys/stored-keys.ts';
import { listBackups, readManifest } from '../manifest.ts';
import { restoreBackup } from '../restore-backup.ts';
import { splitAtNow } from '../split-at-now.ts';
import type { Target } from '../targets/target.ts';
import { TargetFailure } from '../targets/target-failure.ts';
import { TargetProblem } from '../targets/target-problem.ts';

/** In an error. */
const SHOWN_IDS = 5;
/** Each note wakes the daemon. */
const NOTE_EVERY_BYTES = 4 * 1024 * 1024;

export interface FindWork {
  kind: 'find';
  target: string;
  database: string;
  masters: MasterKeys;
  /** `latest` for the last one until now. */
  id: string;
  now: Date;
}

export interface FoundBackup {
  /** Null when there is none with this id. */
  backup: { id: string; created_at: string; bytes: number } | null;
  /** Later ones that `latest` ignores, because their time is in the future. */
  ignored: string[];
  /** The last ones, oldest first. */
  known: string[];
}

export type RestoreWork = WithKeys & {
  kind: 'restore';
  target: string;
  database: string;
  id: string;
  /** Must not exist. It becomes a `pb_data`. */
  directory: string;
  /** For a drill, SQLite also reads the whole database. */
  isDrill?: true;
};

export interface RestoredFiles {
  /** The database included. */
  files: number;
  bytes: number;
}

/** @throws BackupProblem */
export async function findBackup(
  { database, masters, id, now }: FindWork,
  target: Target,
): Promise<FoundBackup> {
  const ids = await listBackups(target, database);
  const { past, future } = splitAtNow(ids, now);
  const isLatest = id === 'latest';
  const chosen = isLatest ? (past.at(-1) ?? future.at(-1)) : ids.find((one) => one === id);
  const known = ids.slice(-SHOWN_IDS);
  const ignored = isLatest ? future.filter((one) => one !== chosen) : [];
  if (chosen === undefined) return { backup: null, ignored, known };
  const key = await readDataKey(target, database, { masters });
  const { created_at, bytes } = await readManifest(target, key, { database, id: chosen });
  return { backup: { id: chosen, created_at, bytes }, ignored, known };
}

/**
 * See `restoreBackup`.
 *
 * @param options.find reads a whole database
 * @param options.onBytes called sometimes, with the bytes that were read so far
 * @throws BackupProblem
 */
export async function restoreFiles(
  work: RestoreWork,
  target: Target,
  { find, onBytes }: { find: (file: string) => Promise<string | null>; onBytes: (bytes: number) => void },
): Promise<RestoredFiles> {
  const { database, id, directory, isDrill } = work;
  const key = await readDataKey(target, database, work);
  const backup = await readManifest(target, key, { database, id });
  const findNamed = async (file: string) => {
    try {
      return await find(file);
    } catch (error) {
      throw new BackupProblem(`the database of the backup ${id} cannot be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
  };
  await restoreBackup(backup, {
    target,
    key,
    directory,
    find: isDrill ? findNamed : undefined,
    onBytes: notedBytes(onBytes),
  });
  return { files: backup.files.length, bytes: backup.bytes };
}

/** Whether an earlier backup may be better. A target that fails now says nothing about its backups. */
export function isOfBackup(error: unknown): error is Error {
  if (error instanceof TargetProblem || error instanceof TargetFailure) return false;
  return error instanceof BackupProblem || error instanceof UnsafeDatabase;
}

/** Adds up bytes. @param note called sometimes, with their sum */
export function notedBytes(note: (bytes: number) => void): (bytes: number) => void {
  let [read, noted] = [0, 0];
  return (bytes) => {
    read += bytes;
    if (read - noted < NOTE_EVERY_BYTES) return;
    noted = read;
    note(read);
  };
}
