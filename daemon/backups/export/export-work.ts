import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { DatabaseThread } from '../../rollouts/data/database-thread.ts';
import { ARCHIVE_MANIFEST, type ArchiveManifest, archiveDirectory } from '../archive/archive-manifest.ts';
import { BackupProblem } from '../backup-problem.ts';
import { readDataKey } from '../keys/stored-keys.ts';
import { type Backup, readManifest } from '../manifest.ts';
import { requireSpace } from '../restore/require-space.ts';
import { openTarget } from '../targets/open-target.ts';
import { NamedTarget } from '../targets/target-failure.ts';
import { type ArchivedFile, archiveBytesOf, archiveOf, backedUpFile, openFile, textFile } from './archive.ts';
import { CollectionReader, type TableFormat } from './collection-reader.ts';

/** What a process gives out of one backup. */
export interface ExportWork {
  /** BACKUP_TARGET */
  target: string;
  masters: MasterKeys;
  database: string;
  id: string;
  /** Is created, for the decrypted database. The caller removes it. */
  directory: string;
  /** DISK_RESERVE_MB */
  reserveBytes: number;
  wanted:
    | {
        kind: 'archive';
        /** The directory in the archive, with `/` at its end; null for an archive that can be imported. */
        prefix: string | null;
      }
    | { kind: 'table'; collection: string; format: TableFormat };
}

export interface PreparedExport {
  /** Null when it is not known before. */
  bytes: number | null;
  content: AsyncIterable<Buffer>;
}

const thread = new DatabaseThread();

/** Runs in a process of its own. @throws BackupProblem, FathomError `backup.failed`, `not_found`, `conflict` */
export async function prepareExport(work: ExportWork): Promise<PreparedExport> {
  const { database, masters, id, directory, wanted } = work;
  const target = new NamedTarget(openTarget(work.target));
  const key = await readDataKey(target, database, { masters });
  const backup = await readManifest(target, key, { database, id });
  const read = (prefix: string) => (file: Backup['files'][number]) =>
    backedUpFile(file, { backup, target, key, prefix });
  const file = await stageDatabase(work, backup, read(''));
  if (wanted.kind === 'table') {
    const reader = await CollectionReader.open(thread, { file, collection: wanted.collection });
    return { bytes: null, content: reader.read(wanted.format) };
  }
  const handle: FileHandle = await open(file, 'r');
  const { size: bytes } = await handle.stat();
  // From here on, the database has no name on the disk: it is gone with this process.
  await removeTree(directory);
  const modified = new Date(backup.created_at);
  const others = backup.files.filter(({ path }) => path !== 'data.db');
  const prefix = wanted.prefix ?? archiveDirectory({ database, backup: id });
  const contents = [
    openFile(handle, { path: `${prefix}data.db`, bytes, modified }),
    ...others.map(read(prefix)),
  ];
  if (wanted.prefix !== null) return { bytes: archiveBytesOf(contents), content: archiveOf(contents) };
  const manifest: ArchiveManifest = {
    format: 1,
    database,
    backup: id,
    created_at: backup.created_at,
    files: [
      { path: 'data.db', bytes, sha256: await hashOf(handle) },
      ...others.map(({ path, bytes: size, sha256 }) => ({ path, bytes: size, sha256 })),
    ],
  };
  const files = [textFile(`${prefix}${ARCHIVE_MANIFEST}`, JSON.stringify(manifest), modified), ...contents];
  return { bytes: archiveBytesOf(files), content: archiveOf(files) };
}

async function hashOf(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of handle.createReadStream({ start: 0, autoClose: false }))
    hash.update(part as Buffer);
  return hash.digest('hex');
}

/** Copies the database to the disk, without its secrets, see `removeSecrets`. */
async function stageDatabase(
  { directory, reserveBytes }: ExportWork,
  backup: Backup,
  read: (file: Backup['files'][number]) => ArchivedFile,
): Promise<string> {
  const database = backup.files.find(({ path }) => path === 'data.db');
  if (database === undefined) throw new BackupProblem(`the backup ${backup.id} has no data.db`);
  await makeDirectory(directory);
  // The copy, and the one without the bytes of what was removed.
  const needed = { id: backup.id, bytes: 2 * database.bytes };
  await requireSpace(directory, needed, reserveBytes, 'download it again');
  const [copy, file] = [join(directory, 'copy.db'), join(directory, 'data.db')];
  {
    await using handle = await open(copy, 'wx', 0o600);
    for await (const part of read(database).read()) await handle.writeFile(part);
  }
  try {
    await thread.run({ kind: 'remove-secrets', file: copy });
    await thread.run({ kind: 'vacuum', file: copy, target: file });
  } catch (error) {
    throw new BackupProblem(`the database of the backup ${backup.id} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  for (const suffix of ['', '-wal', '-shm', '-journal']) await removeTree(`${copy}${suffix}`);
  return file;
}
