import { randomBytes } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Clock } from '../base/time/clock.ts';
import { deriveKey } from './derived-keys.ts';

/**
 * Fathom's own superuser of one instance. It has no usable password. PocketBase signs a superuser's token with the
 * record's token key and the collection's secret. Fathom derives both from one random secret and signs the tokens itself.
 * Source: PocketBase, core/record_tokens.go.
 */
export interface SuperuserKeys {
  recordId: string;
  tokenKey: string;
  collectionSecret: string;
}

/** The id of the `_superusers` collection in every PocketBase: crc32 of its type and name. */
export const SUPERUSERS_COLLECTION_ID = 'pbc_3142635823';

const SECRET_BYTES = 32;
/** The length of PocketBase's own keys. */
const KEY_CHARACTERS = 50;
const TOKEN_LIFETIME_S = 3600;
const RENEW_BEFORE_S = 300;

export function newSuperuserSecret(): Buffer {
  return randomBytes(SECRET_BYTES);
}

export function superuserKeys(secret: Uint8Array): SuperuserKeys {
  const key = (purpose: string) =>
    deriveKey(secret, `superuser/${purpose}`, 38).toString('base64url').slice(0, KEY_CHARACTERS);
  return {
    recordId: deriveKey(secret, 'superuser/id', 8).toString('hex').slice(0, 15),
    tokenKey: key('token-key'),
    collectionSecret: key('collection-secret'),
  };
}

/**
 * Signs an authentication token that PocketBase accepts.
 *
 * @param key the record's token key followed by the collection's secret
 */
export function signPocketBaseToken(
  key: string,
  claims: { id: string; collectionId: string; refreshable: boolean },
  expiresAt: Date,
): Promise<string> {
  return new SignJWT({ ...claims, type: 'auth' })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(expiresAt)
    .sign(new TextEncoder().encode(key));
}

/** Provides a valid token: at once while the last one is valid, else when a new one is signed. */
export type TokenSource = () => string | Promise<string>;

/** Returns a function that provides a superuser token for one instance, and renews it shortly before it expires. */
export function superuserTokens(secret: Uint8Array, clock: Clock): TokenSource {
  const keys = superuserKeys(secret);
  let token: string | null = null;
  let expiresAt = 0;
  const renew = async (newExpiry: number) => {
    token = await signPocketBaseToken(
      keys.tokenKey + keys.collectionSecret,
      { id: keys.recordId, collectionId: SUPERUSERS_COLLECTION_ID, refreshable: false },
      new Date(newExpiry),
    );
    expiresAt = newExpiry;
    return token;
  };
  return () => {
    const now = clock.now().getTime();
    if (token !== null && now <= expiresAt - RENEW_BEFORE_S * 1000) return token;
    return renew(now + TOKEN_LIFETIME_S * 1000);
  };
}
