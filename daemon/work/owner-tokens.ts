import { FathomError, messageOf } from '../../shared/errors.ts';
import { removeOldestOver } from '../base/bounded.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { signOwnerToken } from '../databases/owner/owner-access.ts';
import { dataDirOf } from '../supervisor/instance-spec.ts';

const LIFETIME_MS = 10 * 60_000;
const RENEW_BEFORE_MS = 60_000;
const MAX_KEPT = 10_000;
const RETRY_S = 1;

interface KeptToken {
  token: string;
  renewAtMs: number;
}

/** Tokens of owners at their own databases. They stay in the daemon, and end when the keys of an account change. */
export class OwnerTokens {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #kept = new Map<string, KeptToken>();

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws FathomError `database.unavailable` when the keys cannot be read now */
  async of({ row, instance }: CatalogEntry): Promise<string> {
    const nowMs = this.#clock.now().getTime();
    const kept = this.#kept.get(row.name);
    if (kept && nowMs < kept.renewAtMs) return kept.token;
    const expiresAt = new Date(nowMs + LIFETIME_MS);
    let token: string | null;
    try {
      const options = { clock: this.#clock, limit: { expiresAt } };
      token = await signOwnerToken(dataDirOf(instance.directory), row.user, options);
    } catch (error) {
      this.#log.warn({ instance: row.name }, `no token for the owner: ${messageOf(error)}`);
      throw new FathomError(
        'database.unavailable',
        `the files of ${row.name} cannot be read now; try again, and ask an administrator if it lasts`,
        { cause: error, retryAfterS: RETRY_S },
      );
    }
    if (token === null) throw noAccount(row.name);
    this.#kept.delete(row.name);
    this.#kept.set(row.name, { token, renewAtMs: nowMs + LIFETIME_MS - RENEW_BEFORE_MS });
    removeOldestOver(this.#kept, MAX_KEPT);
    return token;
  }

  /** After the database has refused a token. */
  forget({ row }: CatalogEntry): void {
    this.#kept.delete(row.name);
  }
}

/** The database has no account that its owner could use. */
export function noAccount(name: string): FathomError {
  return new FathomError(
    'database.unavailable',
    `your account is not in ${name}; ask an administrator to start it again`,
  );
}
