import { timingSafeEqual } from 'node:crypto';
import { deriveKey } from './derived-keys.ts';

/** By which the daemon, its workers and the hooks of the global PocketBase know each other. */
export const HOOK_TOKEN_HEADER = 'x-fathom-hook-token';

export function hookTokenOf(jwtSecret: Uint8Array): string {
  return deriveKey(jwtSecret, 'hook-token', 32).toString('base64url');
}

export function isHookToken(given: unknown, expected: string): boolean {
  const [a, b] = [Buffer.from(typeof given === 'string' ? given : ''), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
