import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** With Node's default of 64 KiB, the turns of the event loop would take longer than the hash. */
const CHUNK_BYTES = 1024 * 1024;

/** The SHA-256 of a file, in hex. @param onRead called with the size of each part that was read */
export async function hashFile(path: string, onRead: (bytes: number) => void = () => {}): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const part = chunk as Buffer;
    hash.update(part);
    onRead(part.length);
  }
  return hash.digest('hex');
}
