import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Template } from '../provisioning/clone.ts';
import type { Served } from './served-files.ts';

/*
 * What a database serves: that of the last set of applications whose migrations it has applied. Hooks that expect other
 * collections than the database has do not run. A database that has never had hooks or static files has no record.
 */

interface SetChoice {
  /** The hash of the set. */
  set: string;
  served: Served | null;
}

export interface ServedRecord extends SetChoice {
  /** The set of before, for a database that goes back. */
  before: SetChoice | null;
}

function fileOf(directory: string): string {
  return join(directory, 'applications.json');
}

/** Null without a record, and for one that is damaged: the next start writes it again. */
export function readServedRecord(directory: string): ServedRecord | null {
  const file = fileOf(directory);
  // Most of thousands have none, and each look for databases that can sleep asks. An error would take five times as long.
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ServedRecord;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    return unlessMissing(error);
  }
}

/**
 * The record of a database after its migrations were applied.
 *
 * @param held the hash of the set that a rollout took back from it
 * @returns null when the record stays as it is
 */
export function nextRecord(
  record: ServedRecord | null,
  template: Pick<Template, 'hash' | 'served'>,
  held: string | null,
): ServedRecord | null {
  if (held === template.hash) {
    if (record?.set !== held) return null;
    return { ...(record.before ?? { set: '', served: null }), before: null };
  }
  if (record?.set === template.hash)
    return isComplete(record) ? null : { ...record, served: template.served };
  if (record === null && template.served === null) return null;
  const before = record && { set: record.set, served: record.served };
  return { set: template.hash, served: template.served, before };
}

/** Records of earlier releases do not name the applications. */
function isComplete({ served }: SetChoice): boolean {
  return served === null || served.hookApplications !== undefined;
}

export async function writeServedRecord(directory: string, record: ServedRecord): Promise<void> {
  await replaceFile(fileOf(directory), JSON.stringify(record), { mode: 0o600, synced: true });
}

/** Hashes of the files that databases serve, or would serve when they go back. */
export async function servedHashes(userDatabasesDir: string): Promise<Set<string>> {
  const names = (await readdir(userDatabasesDir).catch(unlessMissing)) ?? [];
  const records = names.flatMap((name) => readServedRecord(join(userDatabasesDir, name)) ?? []);
  return new Set(
    records.flatMap(({ served, before }) => [served?.hash ?? [], before?.served?.hash ?? []].flat()),
  );
}
