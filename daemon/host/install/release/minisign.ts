import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { FathomError } from '../../../../shared/errors.ts';

/** A public key of minisign(1). */
export interface PublicKey {
  /** Hexadecimal, as minisign prints it. */
  id: string;
  /** Ed25519, 32 bytes. */
  key: Uint8Array;
}

/** A signature file of minisign(1). */
export interface Signature {
  keyId: string;
  /** Ed25519 over the BLAKE2b-512 of the file, 64 bytes. */
  signature: Uint8Array;
  /** Part of what is signed, unlike the comment in the first line. */
  trustedComment: string;
  /** Ed25519 over the signature and the trusted comment, 64 bytes. */
  commentSignature: Uint8Array;
}

const TRUSTED_COMMENT = 'trusted comment: ';
/** Algorithm, id of the key, key. */
const PUBLIC_KEY_BYTES = 2 + 8 + 32;
/** Algorithm, id of the key, signature. */
const SIGNATURE_BYTES = 2 + 8 + 64;
/** BLAKE2b-512 of the file is signed. The older `Ed` signs the file itself, and is not supported. */
const HASHED = 'ED';

/** @throws FathomError `conflict` when the text is not a public key of minisign */
export function parsePublicKey(text: string): PublicKey {
  const bytes = decode(lastLine(text), PUBLIC_KEY_BYTES);
  if (bytes === null || bytes.subarray(0, 2).toString('latin1') !== 'Ed') {
    throw new FathomError('conflict', 'not a public key of minisign; copy the file minisign.pub');
  }
  return { id: formatKeyId(bytes.subarray(2, 10)), key: bytes.subarray(10) };
}

/** @throws FathomError `conflict` when the text is not a signature of minisign */
export function parseSignature(text: string): Signature {
  const [, encoded = '', comment = '', commentSignature = ''] = text.split('\n');
  const bytes = decode(encoded, SIGNATURE_BYTES);
  const global = decode(commentSignature, 64);
  if (bytes === null || global === null || !comment.startsWith(TRUSTED_COMMENT)) {
    throw new FathomError('conflict', 'not a signature of minisign; download the .minisig file again');
  }
  if (bytes.subarray(0, 2).toString('latin1') !== HASHED) {
    throw new FathomError('conflict', "a signature of an old format; sign with 'minisign -S -H'");
  }
  return {
    keyId: formatKeyId(bytes.subarray(2, 10)),
    signature: bytes.subarray(10),
    trustedComment: comment.slice(TRUSTED_COMMENT.length).replace(/\r$/, ''),
    commentSignature: global,
  };
}

/** Whether the key has signed a file with this hash, and the trusted comment. @param hash BLAKE2b-512 of the file */
export function isSignedBy({ id, key }: PublicKey, signature: Signature, hash: Uint8Array): boolean {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url') };
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  return (
    id === signature.keyId &&
    verify(null, hash, publicKey, signature.signature) &&
    verify(null, commentMessage(signature), publicKey, signature.commentSignature)
  );
}

/** What the second signature covers. */
export function commentMessage({
  signature,
  trustedComment,
}: Pick<Signature, 'signature' | 'trustedComment'>): Uint8Array {
  return Buffer.concat([signature, Buffer.from(trustedComment)]);
}

/** BLAKE2b-512 of a file. */
export async function hashForSignature(path: string): Promise<Uint8Array> {
  const hash = createHash('blake2b512');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest();
}

/** @param bytes stored in little-endian order */
export function formatKeyId(bytes: Uint8Array): string {
  return Buffer.from(Uint8Array.from(bytes).toReversed()).toString('hex').toUpperCase();
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}

function decode(base64: string, length: number): Buffer | null {
  const bytes = Buffer.from(base64.trim(), 'base64');
  return bytes.length === length ? bytes : null;
}
