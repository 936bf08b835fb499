import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fillBuffer } from '../base/files/read-limited.ts';
import type { DataKey } from './keys/data-key.ts';
import { type BackedUpFile, chunkKey, listChunks } from './manifest.ts';
import type { NewObject, Target } from './targets/target.ts';

/** Of a chunk. Pages of SQLite stay at their place, so small chunks of a database are found again. */
export const DATABASE_CHUNK_BYTES = 256 * 1024;
/** A file that is never rewritten is found again as a whole, and each object costs a target time. */
export const FILE_CHUNK_BYTES = 1024 * 1024;
/** What is read at once: a multiple of both. */
const READ_BYTES = 4 * 1024 * 1024;
/** What is stored at once. As much again is prepared meanwhile. */
const BATCH_BYTES = 16 * 1024 * 1024;
const BATCH_OBJECTS = 64;

/** Splits files into chunks, and stores those that the target does not have. */
export class ChunkWriter {
  readonly stored = { chunks: 0, bytes: 0 };
  readonly #target: Target;
  readonly #key: DataKey;
  readonly #database: string;
  readonly #names = new Set<string>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #batch: NewObject[] = [];
  #batchBytes = 0;
  /** The batch before. */
  #storing: Promise<void> = Promise.resolve();

  constructor(target: Target, key: DataKey, database: string) {
    this.#target = target;
    this.#key = key;
    this.#database = database;
  }

  async readStored(): Promise<void> {
    for await (const { name } of listChunks(this.#target, this.#database)) this.#names.add(name);
  }

  has(names: readonly string[]): boolean {
    return names.every((name) => this.#names.has(name));
  }

  async addFile(source: string, path: string, chunkBytes: number): Promise<BackedUpFile> {
    await using file = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW);
    return await this.add(file, path, chunkBytes);
  }

  /** @param content at most the size of a chunk */
  async addBytes(content: Buffer, path: string): Promise<BackedUpFile> {
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { path, bytes: content.length, sha256, chunks: [await this.#store(content)] };
  }

  /** One file at a time. @param chunkBytes size of a chunk, except of the last one */
  async add(file: FileHandle, path: string, chunkBytes: number): Promise<BackedUpFile> {
    const hash = createHash('sha256');
    const chunks: string[] = [];
    let bytes = 0;
    for (;;) {
      const part = await this.#read(file);
      hash.update(part);
      bytes += part.length;
      for (let at = 0; at < part.length; at += chunkBytes)
        chunks.push(await this.#store(part.subarray(at, at + chunkBytes)));
      if (part.length < READ_BYTES) break;
    }
    return { path, bytes, sha256: hash.digest('hex'), chunks };
  }

  /** Resolves when everything is stored. @throws the first error of the target */
  async flush(): Promise<void> {
    await this.#storeBatch();
    await this.#storing;
  }

  async #store(chunk: Buffer): Promise<string> {
    const name = this.#key.nameOf(chunk);
    if (this.#names.has(name)) return name;
    this.#names.add(name);
    const key = chunkKey(this.#database, name);
    const content = this.#key.seal(chunk, key);
    this.stored.chunks += 1;
    this.stored.bytes += content.length;
    this.#batch.push({ key, content });
    this.#batchBytes += content.length;
    if (this.#batchBytes >= BATCH_BYTES || this.#batch.length >= BATCH_OBJECTS) await this.#storeBatch();
    return name;
  }

  async #storeBatch(): Promise<void> {
    await this.#storing;
    if (this.#batch.length === 0) return;
    this.#storing = this.#target.putAll(this.#batch);
    // The next batch reports it, or the end.
    this.#storing.catch(() => {});
    this.#batch = [];
    this.#batchBytes = 0;
  }

  /** A part of the full size, except at the end of the file. It is valid until the next call. */
  #read(file: FileHandle): Promise<Buffer> {
    return fillBuffer(file, this.#buffer);
  }
}
