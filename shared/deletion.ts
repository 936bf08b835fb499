import type { Instance } from './api/instances.ts';
import { byteSize } from './byte-size.ts';

/** What deleting a database does, in sentences: shown before a user confirms it. */
export function deletionConsequences({ email, usage }: Pick<Instance, 'email' | 'usage'>): string[] {
  return [
    `All data is deleted immediately: ${contentsOf({ usage })}.`,
    `${email ?? 'The owner'} loses access to this database and keeps the account. An active account gets a new, empty database with another name within a minute, or at the next sign-in.`,
  ];
}

/** What deleting an account does, in sentences. `database` is null if the account has none. */
export function userDeletionConsequences(
  email: string,
  database: Pick<Instance, 'name' | 'usage'> | null,
): string[] {
  return [
    `${email} loses access immediately: all sessions, API keys and schedules end. The address can sign up again and then gets a new account with a new, empty database.`,
    database === null
      ? 'This account has no database.'
      : `The database ${database.name} is deleted with all its data: ${contentsOf(database)}.`,
  ];
}

function contentsOf({ usage }: Pick<Instance, 'usage'>): string {
  const disk = usage?.disk_bytes ?? null;
  const size = disk === null ? '' : `, ${byteSize(disk)} on disk`;
  return `records, uploaded files and PocketBase's own backups${size}. Only a copy stored elsewhere can restore it`;
}
