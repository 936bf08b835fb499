import { foldAddress } from '../../../shared/email-address.ts';
import type { MailKind } from '../../../shared/hooks/daemon-calls.ts';
import type { Clock } from '../../base/time/clock.ts';
import { Buckets } from '../sign-in/buckets.ts';
import { LOCAL_ADDRESS, networkOf, RateLimitedError } from '../sign-in/sign-in-limits.ts';

const HOUR_MS = 3_600_000;
/**
 * Mails of one kind that strangers can cause for one e-mail address. With one count for all kinds, requests for another kind would
 * keep the owner from getting a password reset.
 */
const PER_RECIPIENT_AND_HOUR = 5;
/** Requests of one client that send a mail or use a link of one. The global PocketBase has the same limit. */
const PER_CLIENT = 20;
const CLIENT_WINDOW_MS = 15 * 60_000;

/** Limits the mails that a stranger can cause, so that this host cannot be used to fill a mailbox. */
export class MailLimits {
  readonly #recipients: Buckets;
  readonly #clients: Buckets;

  constructor(clock: Clock) {
    this.#recipients = new Buckets({ capacity: PER_RECIPIENT_AND_HOUR, windowMs: HOUR_MS, clock });
    this.#clients = new Buckets({ capacity: PER_CLIENT, windowMs: CLIENT_WINDOW_MS, clock });
  }

  /** Counts a mail. False if one of the e-mail addresses got too many of the kind; then none is counted. */
  takeMail(kind: MailKind, emails: readonly string[]): boolean {
    const keys = emails.map((email) => `${kind} ${foldAddress(email).slice(0, 254)}`);
    if (keys.some((key) => this.#recipients.waitMs(key) > 0)) return false;
    for (const key of keys) this.#recipients.take(key);
    return true;
  }

  /** Counts a request of a client. Each action has a count of its own. @throws RateLimitedError */
  countRequest(action: string, address: string): void {
    if (address === LOCAL_ADDRESS) return;
    const key = `${action} ${networkOf(address)}`;
    const waitMs = this.#clients.waitMs(key);
    if (waitMs > 0) throw new RateLimitedError('too many requests for mails from this address', waitMs);
    this.#clients.take(key);
  }
}
