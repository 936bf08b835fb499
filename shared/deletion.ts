import type { Instance } from './api/instances.ts';
import { byteSize } from './byte-size.ts';
import { FathomError } from './errors.ts';

/** Code of the field of `database.deleted` in the answer to a sign-in, when the owner deleted the account. */
export const DELETED_BY_OWNER = 'deleted_by_owner';

/** Whether a sign-in was refused, and the owner can bring the account back. */
export function isDeletedByOwner(error: unknown): error is FathomError {
  return error instanceof FathomError && error.fields.some(({ code }) => code === DELETED_BY_OWNER);
}

/**
 * What deleting a database does, in sentences: shown before a user confirms it.
 *
 * @param trashDays DATABASE_TRASH_DAYS
 */
export function deletionConsequences(
  { name, email, usage }: Pick<Instance, 'name' | 'email' | 'usage'>,
  trashDays: number,
): string[] {
  const owner = email ?? 'The owner';
  return trashDays === 0
    ? [
        `All data is erased immediately, with its backups: ${contentsOf({ usage })}.`,
        `${owner} loses access to this database and keeps the account. An active account gets a new, empty database with another name within a minute, or at the next sign-in.`,
      ]
    : [
        `The database stops, and is erased after ${dayCount(trashDays)}, with its backups: ${contentsOf({ usage })}.`,
        `Until then, 'fathomd databases undelete ${name}' brings it back, and ${owner} cannot sign in.`,
      ];
}

/**
 * What deleting an account does, in sentences. `database` is null if the account has none.
 *
 * @param trashDays DATABASE_TRASH_DAYS
 */
export function userDeletionConsequences(
  email: string,
  database: Pick<Instance, 'name' | 'usage'> | null,
  trashDays: number,
): string[] {
  const ends = `${email} loses access immediately: all sessions and tokens end.`;
  if (database === null)
    return [
      `${ends} The address can sign up again and then gets a new account.`,
      'This account has no database, and is erased at once.',
    ];
  const { name } = database;
  return trashDays === 0
    ? [
        `${ends} The address can sign up again and then gets a new account with a new, empty database.`,
        `The database ${name} is erased with all its data and its backups: ${contentsOf(database)}.`,
      ]
    : [
        `${ends} The address cannot sign up again until the account is erased, after ${dayCount(trashDays)}.`,
        `The database ${name} stops, and is erased with the account and its backups: ${contentsOf(database)}.`,
        `Until then, 'fathomd databases undelete ${name}' brings both back.`,
      ];
}

export function dayCount(days: number): string {
  return days === 1 ? '1 day' : `${days} days`;
}

function contentsOf({ usage }: Pick<Instance, 'usage'>): string {
  const disk = usage?.disk_bytes ?? null;
  const size = disk === null ? '' : `, ${byteSize(disk)} on disk`;
  return `records, uploaded files and PocketBase's own backups${size}`;
}
