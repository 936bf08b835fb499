import { constants, open } from 'node:fs/promises';

/**
 * Reads a regular file of a limited size: a pipe would block, and a device has no end.
 *
 * @throws the error of the file system, or an Error whose message is the reason
 */
export async function readLimited(path: string, maxBytes: number): Promise<Uint8Array> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if (!(await file.stat()).isFile()) throw new Error('it is not a file');
  const chunks: Buffer[] = [];
  let size = 0;
  // Files of the kernel have a size of 0.
  for await (const chunk of file.createReadStream({ end: maxBytes, autoClose: false })) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
  return Buffer.concat(chunks);
}
