import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { hashFile } from '../../base/files/hash-file.ts';

/** SHA-256, hexadecimal. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
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
