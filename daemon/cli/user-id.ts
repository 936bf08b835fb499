import type { FathomClient } from '../../shared/client/fathom-client.ts';
import { FathomError } from '../../shared/errors.ts';

/**
 * The id of a user that was named by its id or its e-mail address.
 *
 * @throws FathomError `not_found`; that there is a user of an id that is given is left to whatever is done with it
 */
export async function userIdOf({ users }: FathomClient, who: string): Promise<string> {
  if (/^[a-z0-9]{15}$/.test(who)) return who;
  const [user] = who.includes('@') ? (await users.list({ email: who })).items : [];
  if (user !== undefined) return user.id;
  throw new FathomError('not_found', `there is no user '${who}'; 'fathomd users list' shows all`);
}
