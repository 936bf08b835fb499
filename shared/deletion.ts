import { byteSize } from './byte-size.ts';
import type { Instance } from './instance.ts';

type Deleted = Pick<Instance, 'email' | 'usage'>;

/** What deleting a database does to its data and to its owner, in sentences: for whoever is asked to confirm it. */
export function deletionConsequences({ email, usage }: Deleted): string[] {
  return [
    `Everything in it is gone at once: ${contentsOf({ usage })}.`,
    `${email ?? 'Its owner'} is cut off and keeps the account. While that is active, it is given a new and empty database of another name, within a minute or when signing in.`,
  ];
}

/** The same of deleting an account; null has no database. */
export function userDeletionConsequences(
  email: string,
  database: Pick<Instance, 'name' | 'usage'> | null,
): string[] {
  return [
    `${email} is cut off at once: sessions, API keys and schedules end. The address may sign up again, as a new account with a new and empty database.`,
    database === null
      ? 'There is no database of this account.'
      : `The database ${database.name} is deleted with everything in it: ${contentsOf(database)}.`,
  ];
}

function contentsOf({ usage }: Pick<Instance, 'usage'>): string {
  const disk = usage?.disk_bytes ?? null;
  const size = disk === null ? '' : `, ${byteSize(disk)} on disk`;
  return `records, uploaded files and PocketBase's own backups of it${size}. Nothing but a copy that was made elsewhere brings it back`;
}
