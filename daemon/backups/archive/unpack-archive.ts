import { BackupProblem } from '../backup-problem.ts';
import { placeFiles } from '../restore-backup.ts';
import { archiveDirectory } from './archive-manifest.ts';
import { openArchive } from './read-archive.ts';

/** What an archive says of itself. */
export interface ArchiveFacts {
  /** The directory in the archive: the names of its database and of its backup. */
  id: string;
  created_at: string;
  /** Of all files. */
  bytes: number;
}

/** Reads the list of files. `target` is BACKUP_TARGET, which is not used. */
export interface ArchiveWork {
  kind: 'archive';
  target: string;
  /** The path of the archive. */
  archive: string;
}

export interface UnpackWork extends Omit<ArchiveWork, 'kind'> {
  kind: 'unpack';
  /** Must not exist. It becomes a `pb_data`. */
  directory: string;
  /** What there is space for: what `ArchiveWork` found. */
  bytes: number;
}

/** @throws BackupProblem */
export async function readArchiveFacts({ archive }: ArchiveWork): Promise<ArchiveFacts> {
  await using opened = await openArchive(archive);
  const { manifest, bytes } = opened;
  return { id: archiveDirectory(manifest).slice(0, -1), created_at: manifest.created_at, bytes };
}

/**
 * Unpacks an archive into a new directory, which becomes a `pb_data`. Runs in a process of its own.
 *
 * @throws BackupProblem
 */
export async function unpackArchive(
  { archive, directory, bytes: expected }: UnpackWork,
  { find, onBytes }: { find: (file: string) => Promise<string | null>; onBytes: (bytes: number) => void },
): Promise<null> {
  await using opened = await openArchive(archive);
  const { files, bytes, read } = opened;
  if (bytes !== expected) throw new BackupProblem(`${archive} has changed; import it again`);
  await placeFiles(files, { directory, read, find, onBytes, damagedWhen: 'was exported' });
  return null;
}
