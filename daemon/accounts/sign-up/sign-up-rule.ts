import type { ErrorCode } from '../../../shared/errors.ts';
import type { SignUpConfig } from '../../config/config.ts';

export interface SignUpRefusal {
  code: ErrorCode;
  message: string;
}

/**
 * Decides whether a stranger can create an account now, at Fathom's API, at the global PocketBase and with a provider.
 *
 * @param facts `databases`: that exist or are promised to accounts. `invited`: the request has an invitation, which is checked when
 * the account is created
 * @returns null if the sign-up can go on
 */
export function judgeSignUp(
  { mode, maxDatabases }: SignUpConfig,
  { databases, invited }: { databases: number; invited: boolean },
): SignUpRefusal | null {
  if (mode === 'closed') {
    return {
      code: 'sign_up.closed',
      message: 'sign-ups are closed on this server; ask its administrator for an account',
    };
  }
  if (mode === 'invited' && !invited) {
    return {
      code: 'invitation.required',
      message: 'sign-ups need an invitation on this server; ask its administrator for one',
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
