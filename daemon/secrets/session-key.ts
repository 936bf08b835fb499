import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Config } from '../config/config.ts';
import { keyId } from '../keys/derived-keys.ts';
import { exchangeSealedSecret, type SealedSecretsDeps } from './sealed-secrets.ts';

/** Name of the sealed secret that holds the id of the last JWT_SECRET. */
export const SESSION_KEY = 'session-key';

type Keys = Pick<Config['jwt'], 'secret' | 'previousSecret'>;

/** Stores the id of the current JWT_SECRET. Logs a warning when sessions of the previous one cannot be verified. */
export async function noteSessionKey(keys: Keys, deps: SealedSecretsDeps & { log: Logger }): Promise<void> {
  try {
    const previousId = await exchangeSealedSecret(SESSION_KEY, Buffer.from(keyId(keys.secret)), deps);
    if (previousId !== null && !hasSessionKey(keys, previousId.toString()))
      deps.log.warn(lostSessions(previousId.toString()));
  } catch (error) {
    deps.log.warn(`cannot store the id of JWT_SECRET: ${messageOf(error)}`);
  }
}

/** Whether sessions signed by the key with this id can be verified. */
export function hasSessionKey({ secret, previousSecret }: Keys, id: string): boolean {
  return [secret, previousSecret].some((key) => key !== null && keyId(key) === id);
}

function lostSessions(id: string): string {
  return `JWT_SECRET has changed since the last start (key ${id}): all users have to sign in again; to keep their sessions, set JWT_PREVIOUS_SECRET to the previous one and restart the daemon`;
}
