import { randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

const SECRET_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const SECRET_CHARACTERS = 50;

export function randomSecret(): string {
  return Array.from(
    { length: SECRET_CHARACTERS },
    () => SECRET_ALPHABET[randomInt(SECRET_ALPHABET.length)],
  ).join('');
}

/** Reads all signing secrets of all auth collections of a PocketBase database. */
export function readCollectionSecrets(
  database: DatabaseSync,
): [collectionId: string, purpose: string, secret: string][] {
  return authCollections(database).flatMap(({ id, options }) =>
    Object.entries(options).flatMap(([purpose, option]): [string, string, string][] =>
      hasSecret(option) ? [[id, purpose, option.secret]] : [],
    ),
  );
}

/**
 * Replaces all signing secrets of all auth collections of a PocketBase database.
 *
 * @param secretFor returns the secret for the id of a collection and a purpose such as `authToken`
 */
export function replaceCollectionSecrets(
  database: DatabaseSync,
  secretFor: (collectionId: string, purpose: string) => string,
): void {
  const update = database.prepare('UPDATE _collections SET options = ? WHERE id = ?');
  for (const { id, options } of authCollections(database)) {
    for (const [purpose, option] of Object.entries(options)) {
      if (hasSecret(option)) option.secret = secretFor(id, purpose);
    }
    update.run(JSON.stringify(options), id);
  }
}

function authCollections(database: DatabaseSync): { id: string; options: Record<string, unknown> }[] {
  return database
    .prepare("SELECT id, options FROM _collections WHERE type = 'auth'")
    .all()
    .map((row) => ({
      id: String(row['id']),
      options: JSON.parse(String(row['options'])) as Record<string, unknown>,
    }));
}

function hasSecret(value: unknown): value is { secret: string } {
  return typeof value === 'object' && value !== null && 'secret' in value && typeof value.secret === 'string';
}
