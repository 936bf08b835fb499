import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { FathomError } from '../../shared/errors.ts';

/**
 * AES-256-GCM envelope of one secret: a random data key encrypts the value, the master key wraps the data key.
 *
 *   v1.<key id>.<wrapped data key>.<value>      each part base64url of nonce (12) + ciphertext + tag (16)
 *
 * Both are authenticated together with the place of the secret (`collection/id/field`), so that a value that is copied to
 * another row does not decrypt there. Only the data key depends on the master key: a rotation wraps it again and does not
 * change the value.
 */
const VERSION = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

export interface MasterKey {
  /** Part of each envelope, so that several keys can be valid at the same time. */
  id: string;
  key: Uint8Array;
}

/** The first key encrypts; the others only decrypt. */
export type MasterKeys = readonly [MasterKey, ...MasterKey[]];

export function seal(master: MasterKey, plaintext: Uint8Array, belongsTo: string): string {
  const dataKey = randomBytes(KEY_BYTES);
  return assemble(master, dataKey, encrypt(dataKey, plaintext, valueContext(belongsTo)), belongsTo);
}

/** @throws FathomError `secret.undecryptable`, which reveals nothing about the content */
export function unseal(masters: readonly MasterKey[], envelope: string, belongsTo: string): Buffer {
  return open(masters, envelope, belongsTo).plaintext;
}

/** Wraps the data key of an envelope with the first master key. @throws FathomError `secret.undecryptable` */
export function rewrap(masters: MasterKeys, envelope: string, belongsTo: string): string {
  const { dataKey, value } = open(masters, envelope, belongsTo);
  return assemble(masters[0], dataKey, value, belongsTo);
}

function assemble(master: MasterKey, dataKey: Uint8Array, value: string, belongsTo: string): string {
  const wrapped = encrypt(master.key, dataKey, keyContext(master.id, belongsTo));
  return `${prefixOf(master)}${wrapped}.${value}`;
}

/** The start of all envelopes of this key. */
export function prefixOf({ id }: MasterKey): string {
  return `${VERSION}.${id}.`;
}

function keyContext(masterId: string, belongsTo: string): string {
  return `${VERSION}.${masterId}.key.${belongsTo}`;
}

function valueContext(belongsTo: string): string {
  return `${VERSION}.value.${belongsTo}`;
}

function open(
  masters: readonly MasterKey[],
  envelope: string,
  belongsTo: string,
): { dataKey: Buffer; value: string; plaintext: Buffer } {
  const [version, keyId, wrapped, value, ...rest] = envelope.split('.');
  if (
    version !== VERSION ||
    keyId === undefined ||
    wrapped === undefined ||
    value === undefined ||
    rest.length > 0
  ) {
    throw undecryptable(belongsTo, 'it is not an envelope of a known version; restore it from a backup');
  }
  const master = masters.find(({ id }) => id === keyId);
  if (!master)
    throw undecryptable(
      belongsTo,
      `it needs the master key ${keyId}, which is not configured; 'fathomd doctor' looks for that key`,
    );
  try {
    const dataKey = decrypt(master.key, wrapped, keyContext(keyId, belongsTo));
    return { dataKey, value, plaintext: decrypt(dataKey, value, valueContext(belongsTo)) };
  } catch (error) {
    throw undecryptable(
      belongsTo,
      'the value was changed, or copied from another row; restore it from a backup',
      error,
    );
  }
}

function undecryptable(belongsTo: string, why: string, cause?: unknown): FathomError {
  return new FathomError('secret.undecryptable', `the secret ${belongsTo} cannot be decrypted: ${why}`, {
    cause,
  });
}

function encrypt(key: Uint8Array, plaintext: Uint8Array, associated: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(associated));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  );
}

function decrypt(key: Uint8Array, text: string, associated: string): Buffer {
  const sealed = Buffer.from(text, 'base64url');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new Error('the ciphertext is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(associated));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}
