import { FathomError } from '../../../shared/errors.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import { RateLimitedError } from '../sign-in/sign-in-limits.ts';
import type { SignUpLimits } from './sign-up-limits.ts';
import { judgeSignUp } from './sign-up-rule.ts';

/** A sign-up that has begun. The caller reports how it ended, once. */
export interface SignUpAttempt {
  /** No account was created. */
  rejected(): void;
  /** The account exists, and its database is counted or will not be created now. */
  settled(): void;
}

export interface SignUpDeps {
  limits: SignUpLimits;
  settings: Pick<LiveSettings, 'signUps'>;
  /** Number of rows of user databases. */
  countDatabases: () => number;
  /** The disk has no space for another database. */
  isDiskHeld: () => boolean;
}

/** Admits sign-ups. A sign-up holds a place for its database, so that concurrent ones cannot exceed MAX_DATABASES. */
export class SignUps {
  readonly #deps: SignUpDeps;
  #places = 0;

  constructor(deps: SignUpDeps) {
    this.#deps = deps;
  }

  /**
   * @param invited the request has an invitation
   * @throws RateLimitedError, FathomError `sign_up.closed`, `invitation.required`, `databases.limit_reached`
   */
  begin(address: string, invited: boolean): SignUpAttempt {
    const { limits, settings, countDatabases, isDiskHeld } = this.#deps;
    limits.begin(address);
    const rule = isDiskHeld() ? { ...settings.signUps, maxDatabases: 0 } : settings.signUps;
    const refusal = judgeSignUp(rule, { databases: countDatabases() + this.#places, invited });
    if (refusal !== null) {
      limits.reject(address);
      throw new FathomError(refusal.code, refusal.message);
    }
    this.#places += 1;
    let isOpen = true;
    const end = () => {
      if (isOpen) this.#places -= 1;
      isOpen = false;
    };
    return {
      settled: end,
      rejected: () => {
        if (isOpen) limits.reject(address);
        end();
      },
    };
  }
}

/** The verdict of a sign-up for a hook of the global PocketBase; null for other errors. */
export function refusalOf(error: unknown): { status: number; message: string; retry_after_s: number } | null {
  if (!(error instanceof FathomError)) return null;
  const retryAfterS = error instanceof RateLimitedError ? error.retryAfterS : 0;
  return { status: error.status, message: error.message, retry_after_s: retryAfterS };
}
