import type { DatabaseSync } from 'node:sqlite';

/**
 * Replaces every signing secret of every auth collection of a PocketBase database.
 *
 * @param secretFor of a collection's id and a purpose such as `authToken`
 */
export function replaceCollectionSecrets(
  database: DatabaseSync,
  secretFor: (collectionId: string, purpose: string) => string,
): void {
  const update = database.prepare('UPDATE _collections SET options = ? WHERE id = ?');
  const rows = database.prepare("SELECT id, options FROM _collections WHERE type = 'auth'").all();
  for (const row of rows) {
    const id = String(row['id']);
    const options = JSON.parse(String(row['options'])) as Record<string, unknown>;
    for (const [purpose, option] of Object.entries(options)) {
      if (isRecord(option) && typeof option['secret'] === 'string') option['secret'] = secretFor(id, purpose);
    }
    update.run(JSON.stringify(options), id);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
