import type { ErrorCode } from '../../../shared/errors.ts';
import type { SignUpConfig } from '../../config/config.ts';

export interface SignUpRefusal {
  code: ErrorCode;
  message: string;
}

/**
 * Decides whether a stranger can create an account now, at Fathom's API, at the global PocketBase and with a provider.
 *
 * @param databases databases that exist or are promised to accounts
 * @returns null if the sign-up can go on
 */
export function judgeSignUp({ mode, maxDatabases }: SignUpConfig, databases: number): SignUpRefusal | null {
  if (mode === 'closed') {
    return {
      code: 'sign_up.closed',
      message: 'sign-ups are closed on this server; ask its administrator for an account',
    };
  }
  if (maxDatabases !== null && databases >= maxDatabases) {
    return {
      code: 'databases.limit_reached',
      message: 'the server has no room for another database; try again later, or ask its administrator',
    };
  }
  return null;
}
