import { forEachConcurrent } from '../../base/concurrent.ts';
import { DamagedObject } from '../backup-problem.ts';

/** One stored object. */
export interface StoredObject {
  key: string;
  bytes: number;
  /** Time of the last `put`. */
  storedAt: Date;
}

export interface NewObject {
  key: string;
  content: Uint8Array;
}

/**
 * A place for backups: a directory, a bucket, a server. It stores objects of at most some megabytes by key. Everything that
 * it gets is encrypted already.
 *
 * A key has parts of `a–z`, `0–9`, `.`, `_` and `-`, separated by `/`, as in `chunks/2024-01-15-001-johndoe/3f/3f2a…`. No part
 * begins with a dot.
 */
export interface Target {
  /** Stores an object, or replaces it. It is complete or not there, also after a crash, and durable when this resolves. */
  put(key: string, content: Uint8Array): Promise<void>;
  /** Stores different objects in any order, each as `put` does. After an error, some of them may be stored. */
  putAll(objects: readonly NewObject[]): Promise<void>;
  /**
   * Null when there is none. The buffer belongs to the caller, who may free it.
   *
   * @throws DamagedObject for what no `put` stores: an object that is too large, a link, a device
   */
  get(key: string): Promise<Buffer | null>;
  has(key: string): Promise<boolean>;
  /** The objects whose key begins with `prefix`, in any order. What has no key of a target is left out. `prefix` is empty or ends with `/`. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /**
   * Does nothing when there is none. Objects that are deleted one after the other do not come back in another order after a
   * crash. A target may keep former versions for a while.
   */
  delete(key: string): Promise<void>;
  /** Deletes an object with all of its former versions. */
  erase(key: string): Promise<void>;
  /**
   * Removes what a `put` has left that was killed, below a prefix; with an empty prefix, beside the objects at the top.
   *
   * @param before what is younger stays, because its `put` may be in progress
   */
  removeUnfinished(prefix: string, before: Date): Promise<void>;
  /**
   * Deletes all objects whose key begins with `prefix`, and the directories that had them. Store none below it meanwhile.
   *
   * @param prefix ends with `/`
   */
  eraseAll(prefix: string): Promise<void>;
}

/** What a target without a faster way does for `putAll`. */
export function putEach(target: Pick<Target, 'put'>, objects: readonly NewObject[]): Promise<void> {
  return forEachConcurrent(objects, CONCURRENT_PUTS, ({ key, content }) => target.put(key, content));
}

/** A target that is far away answers late. */
const CONCURRENT_PUTS = 8;

/** Objects below it are never protected against deletion: a backup is erased by the deletion of its key. */
export const ERASABLE_PREFIX = 'keys/';

const MAX_MANIFEST_BYTES = 256 * 1024 * 1024;
const MAX_OBJECT_BYTES = 8 * 1024 * 1024;

/** No larger object is read into memory: another program stored it. */
function maxBytesOf(key: string): number {
  return key.startsWith('manifests/') ? MAX_MANIFEST_BYTES : MAX_OBJECT_BYTES;
}

/** @throws DamagedObject */
export function checkSize(key: string, bytes: number): void {
  if (bytes > maxBytesOf(key)) throw new DamagedObject(`${key} is damaged: it has ${bytes} bytes`);
}

/** Names of files that are being written. Keys have no part that begins with a dot. */
export const UNFINISHED_PREFIX = '.put-';

const KEY = /^(?:[a-z0-9_-][a-z0-9._-]*\/)*[a-z0-9_-][a-z0-9._-]*$/;
/** Of a name in ext4, and of a key in S3. */
const MAX_PART_BYTES = 200;
const MAX_KEY_BYTES = 1024;

/** Other programs may store files with other names. */
export function isKey(key: string): boolean {
  const isLong = key.length > MAX_KEY_BYTES || key.split('/').some((part) => part.length > MAX_PART_BYTES);
  return !isLong && KEY.test(key);
}

/** @throws Error for a key that no target stores: for callers of `put` and `get` a fault of the program */
export function checkKey(key: string): string {
  if (!isKey(key)) throw new Error(`'${key}' is no key of a backup target`);
  return key;
}

/** @throws Error */
export function checkPrefix(prefix: string): string {
  if (prefix !== '' && !prefix.endsWith('/')) throw new Error(`the prefix '${prefix}' does not end with '/'`);
  if (prefix !== '') checkKey(prefix.slice(0, -1));
  return prefix;
}
