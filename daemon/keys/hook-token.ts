import { timingSafeEqual } from 'node:crypto';
import { deriveKey } from './derived-keys.ts';

/** Authenticates requests between the daemon, its workers and the hooks of the global PocketBase. */
export const HOOK_TOKEN_HEADER = 'x-fathom-hook-token';

export function hookTokenOf(jwtSecret: Uint8Array): string {
  return deriveKey(jwtSecret, 'hook-token', 32).toString('base64url');
}

/** Compares the value of a header with a token, in a time that does not depend on the value. */
export function isToken(received: unknown, expected: string): boolean {
  const [a, b] = [Buffer.from(typeof received === 'string' ? received : ''), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
