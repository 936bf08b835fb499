import { createHash, randomInt } from 'node:crypto';
import { isPermission, isRole, type Permission, type Role } from '../permissions.ts';

/**
 * `fk_<prefix>_<secret>`. The prefix identifies the key and may be shown. The secret has more than 256 random bits, so a
 * fast hash is safe.
 */
const FORM = /^fk_([a-z0-9]{12})_([A-Za-z0-9]{44})$/;
const PREFIX_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const SECRET_ALPHABET = `${PREFIX_ALPHABET}ABCDEFGHIJKLMNOPQRSTUVWXYZ`;

export function newApiKey(): { key: string; prefix: string; hash: string } {
  const prefix = pick(PREFIX_ALPHABET, 12);
  const key = `fk_${prefix}_${pick(SECRET_ALPHABET, 44)}`;
  return { key, prefix, hash: apiKeyHash(key) };
}

export function isApiKey(token: string): boolean {
  return FORM.test(token);
}

export function apiKeyHash(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Returns the permissions in a stored list, without those that this release does not know. */
export function permissionsIn(stored: unknown): Permission[] {
  return Array.isArray(stored) ? stored.filter(isPermission) : [];
}

/** Returns the roles in a stored list. */
export function rolesIn(stored: unknown): Role[] {
  return Array.isArray(stored) ? stored.filter(isRole) : [];
}

function pick(alphabet: string, characters: number): string {
  return Array.from({ length: characters }, () => alphabet[randomInt(alphabet.length)]).join('');
}
