import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';

/*
 * A set of migrations that a rollout has not applied to a database yet, or has taken back. Without this file, the next start of
 * the database would apply it, without a test and a way back.
 */

function fileOf(directory: string): string {
  return join(directory, 'held-migrations');
}

/** The hash of the set that a database does not apply; null when it applies all. */
export function heldMigrations(directory: string): string | null {
  try {
    return readFileSync(fileOf(directory), 'utf8');
  } catch (error) {
    return unlessMissing(error);
  }
}

/** Keeps a database from applying a set, until another set is used or a rollout applies it. */
export async function holdMigrations(directory: string, hash: string): Promise<void> {
  await replaceFile(fileOf(directory), hash, { mode: 0o600, synced: true });
}

export async function releaseMigrations(directory: string): Promise<void> {
  await rm(fileOf(directory), { force: true });
}
