import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { freeBuffer } from '../../base/free-buffer.ts';
import { deriveKey } from '../../keys/derived-keys.ts';
import { DamagedObject } from '../backup-problem.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Every sealed object has more bytes. */
export const MIN_SEALED_BYTES = NONCE_BYTES + TAG_BYTES + 1;
export const DATA_KEY_BYTES = 32;
/** Of a zstd frame. In one buffer of this size, it needs no copies. */
function maxFrameBytes(bytes: number): number {
  return bytes + (bytes >> 8) + 512;
}

/** Of a buffer for what is opened. Longer content needs several. */
const MIN_OPENED_BYTES = 1024;
const MAX_OPENED_BYTES = 8 * 1024 * 1024;

/** Of the buffer for the content of a frame: one more byte, so that its end is seen at once. */
function openedBytes(frame: Buffer): number {
  return Math.min(Math.max(contentBytesOf(frame) + 1, MIN_OPENED_BYTES), MAX_OPENED_BYTES);
}

/** From the header of a zstd frame without a dictionary, RFC 8878, 3.1.1.1. 0 when the header does not name the length. */
function contentBytesOf(frame: Buffer): number {
  const descriptor = frame.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const at = isSingleSegment ? 5 : 6;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? frame.readUInt8(at) : 0;
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default:
      return Number(frame.readBigUInt64LE(at));
  }
}

/** Above this level, zstd takes much more time for little. */
const COMPRESSION_LEVEL = 3;

/**
 * The key of all backups of one database. Without it, they are unreadable: who deletes it has erased them.
 *
 * A sealed object is the nonce (12 bytes), the zstd frame encrypted with AES-256-GCM, and the tag (16 bytes).
 */
export class DataKey {
  readonly #names: KeyObject;
  readonly #content: KeyObject;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    this.#names = createSecretKey(deriveKey(secret, 'backup-names', DATA_KEY_BYTES));
    this.#content = createSecretKey(deriveKey(secret, 'backup-content', DATA_KEY_BYTES));
  }

  /** The name of a chunk, which depends on its content. Without the key, it does not show whether a known content is stored. */
  nameOf(chunk: Uint8Array): string {
    return createHmac('sha256', this.#names).update(chunk).digest('hex');
  }

  /** @param belongsTo where the object is stored: it cannot be opened in another place */
  seal(content: Uint8Array, belongsTo: string): Buffer {
    const compressed = zstdCompressSync(content, {
      params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
      chunkSize: maxFrameBytes(content.length),
    });
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#content, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(belongsTo));
    return Buffer.concat([nonce, cipher.update(compressed), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws DamagedObject for an object that was changed, moved or sealed with another key */
  open(sealed: Uint8Array, belongsTo: string): Buffer {
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#content, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(belongsTo));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const compressed = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
      // Compares the tag. In this mode, it has no more content.
      decipher.final();
      const content = zstdDecompressSync(compressed, { chunkSize: openedBytes(compressed) });
      freeBuffer(compressed);
      return content;
    } catch (error) {
      throw new DamagedObject(`${belongsTo} is damaged, or was sealed with another key`, { cause: error });
    }
  }
}
