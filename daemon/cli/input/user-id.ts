import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import { isRecordId } from '../../../shared/record-id.ts';

/**
 * Finds the id of a user by its id or e-mail address. Does not check that a given id exists.
 *
 * @throws FathomError `not_found`; `conflict` if several accounts have the address in different spellings
 */
export async function userIdOf({ users }: FathomClient, who: string): Promise<string> {
  if (isRecordId(who)) return who;
  const found = who.includes('@') ? (await users.list({ email: who })).items : [];
  const exact = found.find(({ email }) => email === who);
  const [user, ...others] = exact ? [exact] : found;
  if (user !== undefined && others.length === 0) return user.id;
  if (user !== undefined) {
    const accounts = found.map(({ id, email }) => `${id} (${email})`).join(', ');
    throw new FathomError('conflict', `'${who}' may be any of ${accounts}; name the user by its id`);
  }
  throw new FathomError('not_found', `there is no user '${who}'; 'fathomd users list' shows all`);
}
