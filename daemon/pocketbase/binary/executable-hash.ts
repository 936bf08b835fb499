import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** PocketBase has 30 MB: each piece costs a turn of the event loop, which for Node's usual 64 KB takes longer than the hash does. */
const PIECE_BYTES = 1024 * 1024;

/** SHA-256, hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** SHA-256 of a file, hexadecimal. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: PIECE_BYTES }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * Tells what processes run by the content of their executables, wherever those lie by now: an upgrade moves them, and
 * `/proc/<pid>/exe` can be read even when the file is deleted. A fleet runs one or two, so each is read once.
 */
export class ExecutableHashes {
  readonly #known = new Map<string, Promise<string>>();

  /** Null when the process is gone, or not ours to look at. */
  async of(pid: number): Promise<string | null> {
    const path = `/proc/${pid}/exe`;
    try {
      const { dev, ino, mtimeMs, size } = await stat(path);
      const key = `${dev}:${ino}:${mtimeMs}:${size}`;
      const hash = this.#known.get(key) ?? hashOf(path);
      this.#known.set(key, hash);
      return await hash;
    } catch {
      return null;
    }
  }
}
