import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Adjustment } from './adjustment.ts';

/** The settings of a PocketBase; Fathom changes some of them. Source: core/settings_model.go. */
export type Settings = Record<string, unknown>;

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The settings exist, but no configured key decrypts them. */
export class NoMatchingKey extends Error {
  constructor() {
    super('no configured key decrypts the settings');
  }
}

/**
 * The stored settings and the key that decrypts them; null for a database that has none yet.
 *
 * @throws NoMatchingKey; the error of SQLite
 */
export function readSettings(
  database: DatabaseSync,
  keys: readonly string[],
): { settings: Settings; key: string | null } | null {
  // Some versions store a blob, others text.
  const row = database
    .prepare("SELECT CAST(value AS TEXT) AS value FROM _params WHERE id = 'settings'")
    .get();
  if (!row) return null;
  const value = String(row['value']);
  // Not encrypted. PocketBase checks this first too.
  if (value.startsWith('{')) return { settings: JSON.parse(value) as Settings, key: null };
  for (const key of keys) {
    const text = decrypt(value, key);
    if (text !== null) return { settings: JSON.parse(text) as Settings, key };
  }
  throw new NoMatchingKey();
}

/** Whether PocketBase itself makes backups at fixed times, which needs a process. */
export function hasAutomaticBackups({ backups }: Settings): boolean {
  const { cron } = (backups ?? {}) as { cron?: unknown };
  return typeof cron === 'string' && cron !== '';
}

export function storeSettings(database: DatabaseSync, settings: Settings, key: string): void {
  database
    .prepare("UPDATE _params SET value = ? WHERE id = 'settings'")
    .run(encrypt(JSON.stringify(settings), key));
}

/**
 * Updates the settings of a stopped PocketBase and encrypts them with the first key.
 *
 * @param options.change returns the new settings; null when they are correct
 */
export function settingsAdjustment({
  keys,
  change,
  onFailure,
}: {
  keys: readonly [string, ...string[]];
  change: (settings: Settings) => Settings | null;
  onFailure: (error: unknown) => void;
}): Adjustment {
  const newSettings = (database: DatabaseSync): Settings | null => {
    const stored = readSettings(database, keys);
    if (!stored) return null;
    return change(stored.settings) ?? (stored.key === keys[0] ? null : stored.settings);
  };
  return {
    isNeeded: (database) => newSettings(database) !== null,
    apply: (database) => {
      const settings = newSettings(database);
      if (settings) storeSettings(database, settings, keys[0]);
    },
    onFailure,
  };
}

/** PocketBase's format: base64 of nonce, AES-256-GCM ciphertext and tag. Source: tools/security/encrypt.go. */
function encrypt(json: string, key: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key), nonce);
  return Buffer.concat([nonce, cipher.update(json), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** Null for a wrong key. */
function decrypt(text: string, key: string): string | null {
  const sealed = Buffer.from(text, 'base64');
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key), sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
      decipher.final(),
    ]).toString();
  } catch {
    return null;
  }
}
