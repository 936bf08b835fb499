import { createHash, hkdfSync } from 'node:crypto';

/** Derives a key for one purpose from a configured secret (HKDF-SHA256, RFC 5869). */
export function deriveKey(secret: Uint8Array, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `fathom/${purpose}`, bytes));
}

/** The encryption key of one PocketBase. PocketBase needs exactly 32 characters; these contain 192 bits. */
export function instanceEncryptionKey(pbEncryptionKey: Uint8Array, instance: string): string {
  return deriveKey(pbEncryptionKey, `pocketbase-settings/${instance}`, 24).toString('base64url');
}

/** The keys of an instance's settings: the current one, then the previous one if it is configured. */
export function settingsKeys(
  config: { pbEncryptionKey: Uint8Array; previousPbEncryptionKey: Uint8Array | null },
  instance: string,
): [string, ...string[]] {
  const { pbEncryptionKey, previousPbEncryptionKey } = config;
  const previous = previousPbEncryptionKey ? [instanceEncryptionKey(previousPbEncryptionKey, instance)] : [];
  return [instanceEncryptionKey(pbEncryptionKey, instance), ...previous];
}

/** A short id of a key, which reveals nothing about the key. */
export function keyId(key: Uint8Array): string {
  return createHash('sha256').update('fathom/key-id').update(key).digest('hex').slice(0, 8);
}
