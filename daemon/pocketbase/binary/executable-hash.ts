import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** PocketBase has 30 MB. With Node's default of 64 KiB, the turns of the event loop would take longer than the hash. */
const CHUNK_BYTES = 1024 * 1024;

/** SHA-256, hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** SHA-256 of a file, hexadecimal. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * Identifies the executables of processes by their content, also after the file was moved or deleted: `/proc/<pid>/exe`
 * stays readable. Each file is hashed once, because a fleet runs only one or two.
 */
export class ExecutableHashes {
  readonly #known = new Map<string, Promise<string>>();

  /** Null when the process has ended, or belongs to another user. */
  async of(pid: number): Promise<string | null> {
    const path = `/proc/${pid}/exe`;
    try {
      const { dev, ino, mtimeMs, size } = await stat(path);
      const key = `${dev}:${ino}:${mtimeMs}:${size}`;
      const hash = this.#known.get(key) ?? hashFile(path);
      this.#known.set(key, hash);
      return await hash;
    } catch {
      return null;
    }
  }
}
