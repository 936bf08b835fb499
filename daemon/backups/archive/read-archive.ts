import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { messageOf } from '../../../shared/errors.ts';
import { systemErrorCode } from '../../base/files/dir.ts';
import { BackupProblem } from '../backup-problem.ts';
import {
  ARCHIVE_MANIFEST,
  type ArchiveManifest,
  archiveDirectory,
  archiveManifestSchema,
} from './archive-manifest.ts';
import { TAR_END, tarHeader, tarPadding } from './tar.ts';

/*
 * An archive is untrusted: anyone can have written it. So nothing of its tar headers is used. The list of files at its beginning
 * says which bytes follow, exactly as `archiveOf` writes them, and each header has to be the same. Links, devices, sparse files,
 * other names and everything else of tar are other bytes, and are refused.
 *
 *   header, manifest.json │ header, data.db │ header, storage/… │ … │ two empty blocks, end of the file
 */

const BLOCK = 512;
const READ_BYTES = 1024 * 1024;
/** Of the list of files: about 300,000 files. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
/** Of one part of a path. */
const MAX_NAME_BYTES = 255;
const MAX_DEPTH = 8;
// oxlint-disable-next-line no-control-regex -- they are what is refused
const CONTROL = /[\u0000-\u001F\u007F]/;

/** A file of an archive, and where it is. */
export interface ArchiveFile {
  path: string;
  bytes: number;
  sha256: string;
  /** Of its header. */
  at: number;
  header: Buffer;
}

export interface OpenArchive extends AsyncDisposable {
  manifest: ArchiveManifest;
  files: readonly ArchiveFile[];
  /** Of all files. */
  bytes: number;
  /** The content of a file, compared with its hash at the end. @throws BackupProblem */
  read: (file: ArchiveFile) => AsyncGenerator<Buffer>;
}

/**
 * Opens an archive that `backups export` has written. Its list of files is checked, and its size is that of the list.
 *
 * @throws BackupProblem
 */
export async function openArchive(path: string): Promise<OpenArchive> {
  const handle = await openRegular(path);
  try {
    const { manifest, end, modified } = await readManifest(handle);
    const prefix = archiveDirectory(manifest);
    const files: ArchiveFile[] = [];
    const seen = new Set<string>();
    let at = end;
    let bytes = 0;
    for (const file of manifest.files) {
      requirePlainPath(file.path);
      if (seen.has(file.path)) throw refused(`it has '${file.path}' twice`);
      seen.add(file.path);
      const header = tarHeader({ path: `${prefix}${file.path}`, bytes: file.bytes, modified });
      files.push({ ...file, at, header });
      at += header.length + file.bytes + tarPadding(file.bytes).length;
      bytes += file.bytes;
    }
    if (!seen.has('data.db')) throw refused('it has no data.db');
    const { size } = await handle.stat();
    const expected = at + TAR_END.length;
    if (size !== expected)
      throw refused(`it has ${size} bytes, and its list of files says ${expected}; copy it again`);
    await requireBytes(handle, at, TAR_END);
    return {
      manifest,
      files,
      bytes,
      read: (file) => readFile(handle, file),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  // A pipe would block.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle: FileHandle;
  try {
    handle = await open(path, flags);
  } catch (error) {
    const cause = { cause: error };
    if (systemErrorCode(error) === 'ELOOP')
      throw new BackupProblem(`${path} is a link; name the file`, cause);
    throw new BackupProblem(
      `the daemon cannot open ${path} (${messageOf(error)}); copy it into FATHOM_DATA_DIR, readable for the user of the daemon`,
      cause,
    );
  }
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new BackupProblem(`${path} is not a file`);
}

/** The list of files, and the position after it. */
async function readManifest(
  handle: FileHandle,
): Promise<{ manifest: ArchiveManifest; end: number; modified: Date }> {
  const first = await readAt(handle, 0, BLOCK);
  const size = first.toString('latin1', 124, 135);
  const bytes = /^[0-7]{11}$/.test(size) ? Number.parseInt(size, 8) : 0;
  if (!(bytes > 0)) throw refused('it does not begin with a list of files');
  if (bytes > MAX_MANIFEST_BYTES) throw refused('its list of files is too long');
  const content = await readAt(handle, BLOCK, bytes);
  const manifest = parseManifest(content);
  const modified = new Date(manifest.created_at);
  const header = tarHeader({ path: `${archiveDirectory(manifest)}${ARCHIVE_MANIFEST}`, bytes, modified });
  if (!header.equals(first)) throw refused('it does not begin with its list of files');
  const padding = tarPadding(bytes);
  await requireBytes(handle, BLOCK + bytes, padding);
  return { manifest, end: BLOCK + bytes + padding.length, modified };
}

function parseManifest(content: Buffer): ArchiveManifest {
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch {
    throw refused('it does not begin with a list of files');
  }
  const parsed = archiveManifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') ?? '';
  throw refused(`its list of files has a wrong value${where === '' ? '' : ` at ${where}`}`);
}

/** Of `data.db`, or below `storage/`. Links out of the directory are not possible: there are no links. */
function requirePlainPath(path: string): void {
  if (path === 'data.db') return;
  const [first, ...parts] = path.split('/');
  const isPlain =
    first === 'storage' &&
    parts.length > 0 &&
    parts.length <= MAX_DEPTH &&
    !CONTROL.test(path) &&
    parts.every((part) => !['', '.', '..'].includes(part) && Buffer.byteLength(part) <= MAX_NAME_BYTES);
  if (!isPlain) throw refused(`it has a file with the path ${JSON.stringify(path.slice(0, MAX_NAME_BYTES))}`);
}

async function* readFile(
  handle: FileHandle,
  { path, bytes, sha256, at, header }: ArchiveFile,
): AsyncGenerator<Buffer> {
  await requireBytes(handle, at, header);
  const hash = createHash('sha256');
  const start = at + header.length;
  for (let done = 0; done < bytes; ) {
    const part = await readAt(handle, start + done, Math.min(READ_BYTES, bytes - done));
    hash.update(part);
    done += part.length;
    yield part;
  }
  if (hash.digest('hex') !== sha256)
    throw refused(`${path} is not what its list of files says; copy it again`);
  await requireBytes(handle, start + bytes, tarPadding(bytes));
}

async function requireBytes(handle: FileHandle, at: number, expected: Readonly<Buffer>): Promise<void> {
  const found = await readAt(handle, at, expected.length);
  if (!found.equals(expected)) throw refused(`the bytes at ${at} are not those that Fathom writes`);
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) throw refused('it ends too early; copy it again');
    done += bytesRead;
  }
  return buffer;
}

function refused(why: string): BackupProblem {
  return new BackupProblem(`the file is not an archive of 'fathomd backups export': ${why}`);
}
