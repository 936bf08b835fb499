import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Config } from '../config/config.ts';
import { keyId } from '../keys/derived-keys.ts';
import { exchangeSealedSecret, type SealedSecretsDeps } from './sealed-secrets.ts';

/** The secret under which the id of the last JWT_SECRET is kept. */
export const SESSION_KEY = 'session-key';

type Keys = Pick<Config['jwt'], 'secret' | 'previousSecret'>;

/** Notes which JWT_SECRET is in use, and logs when sessions that the one before signed cannot be read any more. */
export async function noteSessionKey(keys: Keys, deps: SealedSecretsDeps & { log: Logger }): Promise<void> {
  try {
    const former = await exchangeSealedSecret(SESSION_KEY, Buffer.from(keyId(keys.secret)), deps);
    if (former !== null && !readsSessionsOf(keys, former.toString()))
      deps.log.warn(lostSessions(former.toString()));
  } catch (error) {
    deps.log.warn(`cannot note which JWT_SECRET is in use: ${messageOf(error)}`);
  }
}

/** Whether sessions that the key with this id signed can be read. */
export function readsSessionsOf({ secret, previousSecret }: Keys, id: string): boolean {
  return [secret, previousSecret].some((key) => key !== null && keyId(key) === id);
}

function lostSessions(id: string): string {
  return `JWT_SECRET is another one than at the last start (key ${id}): all users have to sign in again; set JWT_PREVIOUS_SECRET to the former one and restart the daemon to keep their sessions`;
}
