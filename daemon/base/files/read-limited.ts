import { constants, type FileHandle, open } from 'node:fs/promises';

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

/** Reads on until a buffer is full, or the file ends. @returns the part of the buffer that was filled */
export async function fillBuffer(file: FileHandle, buffer: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
