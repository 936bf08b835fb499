import { isIPv6 } from 'node:net';
import { foldAddress } from '../../../shared/email-address.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import { Buckets } from './buckets.ts';

const SIGN_IN_WINDOW_MS = 15 * 60_000;
const SIGN_UP_WINDOW_MS = 60 * 60_000;
/** Who comes over the local socket is an administrator. */
export const LOCAL_ADDRESS = 'local';
/** Sign-ins to one account at a time. */
const MAX_UNDER_WAY = 32;
/** So many sign-ups are gone by one that was refused. */
const REFUSED_SIGN_UP = 5;
/** Pairs of account and address that have signed in; the oldest make room. */
const MAX_TRUSTED = 20_000;

export interface LimitSettings {
  /** Failed sign-ins of one account in a quarter of an hour, from wherever. */
  signInsPerAccount: number;
  /** Failed sign-ins from one address in a quarter of an hour, to whatever account. */
  signInsPerAddress: number;
  /** New accounts from one address in an hour. */
  signUpsPerAddress: number;
}

/** Told with `Retry-After`. */
export class RateLimitedError extends FathomError {
  readonly retryAfterS: number;

  constructor(message: string, waitMs: number) {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    super('rate_limited', `${message}; try again in ${seconds} s`);
    this.retryAfterS = seconds;
  }
}

/** An attempt that has begun. Whoever began it says how it ended. */
export interface SignInAttempt {
  succeeded(): void;
  failed(): void;
}

/**
 * What slows down guessing of passwords. Failures of an account count when they are known, as one person's programs may
 * well sign in many times at once; so that guesses made at once do not slip through, only so many may be under way, and
 * each failure beyond the limit makes the wait longer. Those of an address count when they begin.
 *
 * So that a stranger cannot lock somebody out by failing in their name, an address from which the account was opened before
 * has a count of its own for it.
 */
export class SignInLimits {
  readonly #accounts: Buckets;
  readonly #addresses: Buckets;
  readonly #signUps: Buckets;
  readonly #underWay = new Map<string, number>();
  readonly #trusted = new Set<string>();

  constructor(settings: LimitSettings, clock: Clock) {
    const signIns = { windowMs: SIGN_IN_WINDOW_MS, clock };
    this.#accounts = new Buckets({ ...signIns, capacity: settings.signInsPerAccount });
    this.#addresses = new Buckets({ ...signIns, capacity: settings.signInsPerAddress });
    this.#signUps = new Buckets({ capacity: settings.signUpsPerAddress, windowMs: SIGN_UP_WINDOW_MS, clock });
  }

  configure(settings: LimitSettings): void {
    this.#accounts.resize(settings.signInsPerAccount);
    this.#addresses.resize(settings.signInsPerAddress);
    this.#signUps.resize(settings.signUpsPerAddress);
  }

  /** @throws RateLimitedError */
  beginSignIn(account: string, address: string): SignInAttempt {
    if (address === LOCAL_ADDRESS) return { succeeded: () => {}, failed: () => {} };
    const who = foldAddress(account).slice(0, 254);
    const from = networkOf(address);
    const pair = `${from} ${who}`;
    const counted = this.#trusted.has(pair) ? pair : who;
    const waitMs = Math.max(this.#accounts.waitMs(counted), this.#addresses.waitMs(from));
    if (waitMs > 0) throw new RateLimitedError('too many sign-ins have failed', waitMs);
    const underWay = this.#underWay.get(counted) ?? 0;
    if (underWay >= MAX_UNDER_WAY) throw new RateLimitedError('too many sign-ins are under way', 1000);
    this.#underWay.set(counted, underWay + 1);
    this.#addresses.take(from);
    return {
      failed: () => {
        this.#ended(counted);
        this.#accounts.take(counted);
      },
      succeeded: () => {
        this.#ended(counted);
        this.#accounts.forget(counted);
        this.#addresses.giveBack(from);
        this.#trust(pair);
      },
    };
  }

  /** @throws RateLimitedError */
  countSignUp(address: string): void {
    if (address === LOCAL_ADDRESS) return;
    const from = networkOf(address);
    const waitMs = this.#signUps.waitMs(from);
    if (waitMs > 0) throw new RateLimitedError('too many accounts were made from this address', waitMs);
    this.#signUps.take(from);
  }

  /** It was refused, and that told that there is such an account: it counts several times. */
  signUpRefused(address: string): void {
    if (address === LOCAL_ADDRESS) return;
    for (let more = 1; more < REFUSED_SIGN_UP; more += 1) this.#signUps.take(networkOf(address));
  }

  #ended(counted: string): void {
    const left = (this.#underWay.get(counted) ?? 1) - 1;
    if (left > 0) this.#underWay.set(counted, left);
    else this.#underWay.delete(counted);
  }

  #trust(pair: string): void {
    this.#trusted.delete(pair);
    this.#trusted.add(pair);
    const [oldest] = this.#trusted;
    if (this.#trusted.size > MAX_TRUSTED && oldest !== undefined) this.#trusted.delete(oldest);
  }
}

/** One subscriber has a whole /64 of IPv6, and may change addresses within it at will. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address.replace('::ffff:', '');
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
