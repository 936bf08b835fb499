import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** The SHA-256 of a file, in hex. @param onRead called with the size of each part that was read */
export async function hashFile(path: string, onRead: (bytes: number) => void = () => {}): Promise<string> {
  const hash = createHash('sha256');
  const file = createReadStream(path);
  await pipeline(
    file,
    async function* (parts: AsyncIterable<Buffer>) {
      for await (const part of parts) {
        onRead(part.length);
        yield part;
      }
    },
    hash,
  );
  return hash.digest('hex');
}
