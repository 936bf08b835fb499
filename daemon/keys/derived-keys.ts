import { createHash, hkdfSync } from 'node:crypto';

/** Keys that follow from a configured secret, one for each purpose (HKDF-SHA256, RFC 5869). */
export function deriveKey(secret: Uint8Array, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `fathom/${purpose}`, bytes));
}

/** What PocketBase takes as encryption key is exactly 32 characters; these hold 192 bits. One for each instance. */
export function instanceEncryptionKey(pbEncryptionKey: Uint8Array, instance: string): string {
  return deriveKey(pbEncryptionKey, `pocketbase-settings/${instance}`, 24).toString('base64url');
}

/** The key of an instance's settings, and the one before it while there may be some that need it. */
export function settingsKeys(
  config: { pbEncryptionKey: Uint8Array; previousPbEncryptionKey: Uint8Array | null },
  instance: string,
): [string, ...string[]] {
  const { pbEncryptionKey, previousPbEncryptionKey } = config;
  const previous = previousPbEncryptionKey ? [instanceEncryptionKey(previousPbEncryptionKey, instance)] : [];
  return [instanceEncryptionKey(pbEncryptionKey, instance), ...previous];
}

/** Names a key without telling anything of it. */
export function keyId(key: Uint8Array): string {
  return createHash('sha256').update('fathom/key-id').update(key).digest('hex').slice(0, 8);
}
