import { describe, expect, it } from 'vitest';
import { deriveKey, instanceEncryptionKey, keyId } from './derived-keys.ts';

const secret = Buffer.alloc(32, 7);

describe('derived keys', () => {
  it('depend on the secret and on the purpose', () => {
    expect(deriveKey(secret, 'a', 32)).toEqual(deriveKey(secret, 'a', 32));
    expect(deriveKey(secret, 'a', 32)).not.toEqual(deriveKey(secret, 'b', 32));
    expect(deriveKey(secret, 'a', 32)).not.toEqual(deriveKey(Buffer.alloc(32, 8), 'a', 32));
    expect(deriveKey(secret, 'a', 24)).toHaveLength(24);
  });

  it('are stable across versions: stored secrets depend on them', () => {
    expect(deriveKey(secret, 'hook-token', 8).toString('hex')).toMatchInlineSnapshot(`"d6966e170804985c"`);
    expect(instanceEncryptionKey(secret, 'global')).toMatchInlineSnapshot(
      `"aIgqwE9vpyzKsVPG46Y4HHi0YAyeEHks"`,
    );
    expect(keyId(secret)).toMatchInlineSnapshot(`"0b38c41e"`);
  });

  it('for PocketBase are exactly 32 characters and differ for each instance', () => {
    const keys = ['global', '2024-01-15-001-a', '2024-01-15-002-a'].map((name) =>
      instanceEncryptionKey(secret, name),
    );
    for (const key of keys) expect(key).toMatch(/^[\w-]{32}$/);
    expect(new Set(keys).size).toBe(3);
  });
});
