import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { systemErrorCode } from '../../base/files/dir.ts';
import { loadLibc } from '../../pocketbase/sandbox/libc.ts';

const SYS_FALLOCATE = 285;
const CHUNK_BYTES = 1024 * 1024;

/** The size of the reserve file; 0 without one. */
export async function reserveFileBytes(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    (error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return 0;
      throw error;
    },
  );
}

/** Takes the space of a file on the disk. On failure, the file is removed. */
export async function createReserveFile(path: string, bytes: number): Promise<void> {
  await rm(path, { force: true });
  try {
    await using file = await open(path, 'wx', 0o600);
    if (!(await allocate(file, bytes))) await fill(file, bytes);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

export async function releaseReserveFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** Takes the space without writing; false where the file system or the host cannot. */
async function allocate(file: FileHandle, bytes: number): Promise<boolean> {
  const libc = await loadLibc();
  if ('problem' in libc) return false;
  return libc.syscall(SYS_FALLOCATE, file.fd, 0, 0, bytes) === 0;
}

/** Random, because some file systems store zeros without space. */
async function fill(file: FileHandle, bytes: number): Promise<void> {
  const chunk = randomBytes(CHUNK_BYTES);
  for (let written = 0; written < bytes; written += CHUNK_BYTES)
    await file.write(chunk, 0, Math.min(CHUNK_BYTES, bytes - written));
}
