import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { keyId } from '../../keys/derived-keys.ts';
import { BackupProblem } from '../backup-problem.ts';

/*
 * The recovery key opens backups when the host and its AES_MASTER_KEY are lost. A person keeps the private half outside of
 * the host; the host has the public half only. A data key is wrapped for it as
 *
 *   r1.<key id>.<public half of an ephemeral X25519 key>.<nonce (12) + ciphertext + tag (16)>      each base64url
 */
const VERSION = 'r1';
const PRIVATE_PREFIX = 'FATHOM-RECOVERY-1-';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** ASN.1 of a private X25519 key, before its 32 bytes: RFC 8410. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Creates a recovery key. Keep `privateText` outside of the host. */
export function createRecoveryKey(): { privateText: string; publicText: string } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const raw = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PKCS8_PREFIX.length);
  return { privateText: PRIVATE_PREFIX + raw.toString('base64url'), publicText: rawOf(publicKey) };
}

/** The id of a public half, as in wrapped keys. */
export function recoveryKeyId(publicText: string): string {
  return keyId(Buffer.from(publicText, 'base64url'));
}

export function wrapForRecovery(publicText: string, dataKey: Uint8Array, belongsTo: string): string {
  const recipient = publicKeyOf(publicText);
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const ephemeral = rawOf(publicKey);
  const shared = diffieHellman({ privateKey, publicKey: recipient });
  const nonce = randomBytes(NONCE_BYTES);
  const key = wrappingKey(shared, ephemeral, publicText);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(belongsTo));
  const sealed = Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
  return [VERSION, recoveryKeyId(publicText), ephemeral, sealed.toString('base64url')].join('.');
}

/** The id of the key for which something was wrapped; null when it is damaged. */
export function wrappedForKey(wrapped: string): string | null {
  const [version, id, ephemeral = '', sealed = ''] = wrapped.split('.');
  const isWhole =
    Buffer.from(ephemeral, 'base64url').length === KEY_BYTES &&
    Buffer.from(sealed, 'base64url').length > NONCE_BYTES + TAG_BYTES;
  return version === VERSION && isWhole ? (id ?? null) : null;
}

/** @throws BackupProblem */
export function unwrapWithRecovery(privateText: string, wrapped: string, belongsTo: string): Buffer {
  const { privateKey, publicText } = readRecoveryKey(privateText);
  const [version, id, ephemeral = '', sealedText = ''] = wrapped.split('.');
  if (version !== VERSION || id !== recoveryKeyId(publicText)) {
    throw new BackupProblem(
      `the backups were made for another recovery key (${id}); use the key that was current when the backup was made`,
    );
  }
  try {
    const shared = diffieHellman({ privateKey, publicKey: publicKeyOf(ephemeral) });
    const sealed = Buffer.from(sealedText, 'base64url');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      wrappingKey(shared, ephemeral, publicText),
      sealed.subarray(0, NONCE_BYTES),
      { authTagLength: TAG_BYTES },
    );
    decipher.setAAD(Buffer.from(belongsTo));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new BackupProblem(
      `the key of ${belongsTo} is damaged; restore it from another copy of the target`,
      {
        cause: error,
      },
    );
  }
}

function readRecoveryKey(privateText: string): { privateKey: KeyObject; publicText: string } {
  const text = privateText.trim();
  const raw = Buffer.from(text.slice(PRIVATE_PREFIX.length), 'base64url');
  if (!text.startsWith(PRIVATE_PREFIX) || raw.length !== KEY_BYTES) {
    throw new BackupProblem(`this is no recovery key; it begins with ${PRIVATE_PREFIX}`);
  }
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, raw]),
    format: 'der',
    type: 'pkcs8',
  });
  return { privateKey, publicText: rawOf(createPublicKey(privateKey)) };
}

function wrappingKey(shared: Uint8Array, ephemeral: string, recipient: string): Buffer {
  const salt = Buffer.from(ephemeral + recipient);
  return Buffer.from(hkdfSync('sha256', shared, salt, 'fathom/backup-recovery', KEY_BYTES));
}

function rawOf(publicKey: KeyObject): string {
  return publicKey.export({ format: 'jwk' }).x ?? '';
}

function publicKeyOf(text: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: text }, format: 'jwk' });
}
