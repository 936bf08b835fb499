import type { AuditEntry } from '../../shared/api/audit.ts';

/** A day of this has about 70 MB. */
export const MAX_PER_MINUTE = 120;
/** Less than all, so that one account cannot hide the failures of others. */
export const MAX_PER_ACCOUNT = 30;
const MINUTE_MS = 60_000;

type Source = Pick<AuditEntry, 'actor_kind' | 'actor'>;

/**
 * Limits the entries of failed requests, for callers without an account and for accounts separately. Limits of requests do not
 * bound them in all, because attackers can use many addresses and accounts, and some roles have no limit of changes.
 */
export class FailedEntries {
  readonly #strangers = new MinuteCount();
  readonly #accounts = new MinuteCount();

  /** Returns the number of entries omitted before this one; null if this one is omitted. */
  take({ actor_kind, actor }: Source, now: Date): number | null {
    switch (actor_kind) {
      case 'anonymous':
        return this.#strangers.take(null, now);
      case 'session':
      case 'key':
        return this.#accounts.take(actor, now);
      // The daemon, and administrators of the host and of the global PocketBase.
      case 'local':
      case 'superuser':
      default:
        return 0;
    }
  }
}

class MinuteCount {
  #minute = 0;
  #count = 0;
  #omitted = 0;
  readonly #byAccount = new Map<string, number>();

  take(account: string | null, now: Date): number | null {
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#count = 0;
      this.#byAccount.clear();
    }
    const ofAccount = account === null ? 0 : (this.#byAccount.get(account) ?? 0);
    if (this.#count >= MAX_PER_MINUTE || ofAccount >= MAX_PER_ACCOUNT) {
      this.#omitted += 1;
      return null;
    }
    this.#count += 1;
    if (account !== null) this.#byAccount.set(account, ofAccount + 1);
    const omitted = this.#omitted;
    this.#omitted = 0;
    return omitted;
  }
}
