import type { Clock } from '../../base/time/clock.ts';
import type { SignUpLimitsConfig } from '../../config/limits.ts';
import { Buckets } from '../sign-in/buckets.ts';
import { LOCAL_ADDRESS, networkOf, prefixOf, RateLimitedError } from '../sign-in/sign-in-limits.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
/** A rejected sign-up counts as this many, because the rejection can show that the account exists. */
const REJECTED_COST = 5;
const ALL = 'all';

/**
 * Limits sign-ups per address, per network and in all. A rejected sign-up counts for the address and the network. It does not
 * count for all: otherwise one client could stop the sign-ups of others with requests that create nothing.
 */
export class SignUpLimits {
  readonly #addressHour: Buckets;
  readonly #addressDay: Buckets;
  readonly #networkHour: Buckets;
  readonly #allHour: Buckets;
  readonly #allDay: Buckets;

  constructor(settings: SignUpLimitsConfig, clock: Clock) {
    const perHour = { windowMs: HOUR_MS, clock };
    const perDay = { windowMs: DAY_MS, clock };
    this.#addressHour = new Buckets({ ...perHour, capacity: settings.perAddressAndHour });
    this.#addressDay = new Buckets({ ...perDay, capacity: settings.perAddressAndDay });
    this.#networkHour = new Buckets({ ...perHour, capacity: settings.perNetworkAndHour });
    this.#allHour = new Buckets({ ...perHour, capacity: settings.perHour });
    this.#allDay = new Buckets({ ...perDay, capacity: settings.perDay });
  }

  configure(settings: SignUpLimitsConfig): void {
    this.#addressHour.resize(settings.perAddressAndHour);
    this.#addressDay.resize(settings.perAddressAndDay);
    this.#networkHour.resize(settings.perNetworkAndHour);
    this.#allHour.resize(settings.perHour);
    this.#allDay.resize(settings.perDay);
  }

  /** Counts a sign-up. @throws RateLimitedError */
  begin(address: string): void {
    if (address === LOCAL_ADDRESS) return;
    const buckets = this.#bucketsOf(address);
    const ownMs = Math.max(...buckets.map(([bucket, key]) => bucket.waitMs(key)));
    if (ownMs > 0)
      throw new RateLimitedError(
        `too many sign-ups from this address; one that is rejected counts as ${REJECTED_COST}`,
        ownMs,
      );
    const allMs = Math.max(this.#allHour.waitMs(ALL), this.#allDay.waitMs(ALL));
    if (allMs > 0) throw new RateLimitedError('too many accounts were created', allMs);
    for (const [bucket, key] of buckets) bucket.take(key);
    this.#allHour.take(ALL);
    this.#allDay.take(ALL);
  }

  /** Counts a sign-up that began and was rejected later. */
  reject(address: string): void {
    if (address === LOCAL_ADDRESS) return;
    this.#allHour.giveBack(ALL);
    this.#allDay.giveBack(ALL);
    for (const [bucket, key] of this.#bucketsOf(address)) {
      for (let count = 1; count < REJECTED_COST; count += 1) bucket.take(key);
    }
  }

  #bucketsOf(address: string): (readonly [Buckets, string])[] {
    const own = networkOf(address);
    const network = prefixOf(address, 48);
    return [
      [this.#addressHour, own],
      [this.#addressDay, own],
      ...(network === null ? [] : [[this.#networkHour, network] as const]),
    ];
  }
}
