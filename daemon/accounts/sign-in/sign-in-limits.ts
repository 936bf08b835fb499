import { isIPv6 } from 'node:net';
import { foldAddress } from '../../../shared/email-address.ts';
import { FathomError } from '../../../shared/errors.ts';
import { removeOldestOver } from '../../base/bounded.ts';
import { Counts } from '../../base/counts.ts';
import type { Clock } from '../../base/time/clock.ts';
import { Buckets } from './buckets.ts';

const SIGN_IN_WINDOW_MS = 15 * 60_000;
/** The address of callers on the local socket. They are administrators and are not limited. */
export const LOCAL_ADDRESS = 'local';
/** Concurrent sign-ins to one account. */
const MAX_CONCURRENT = 32;
/** Accounts that have signed in; beyond this number the oldest are dropped. */
const MAX_TRUSTED_ACCOUNTS = 20_000;
/** Networks from which an account has signed in. Sign-ins of one account do not replace the networks of others. */
export const MAX_TRUSTED_NETWORKS = 8;

export interface LimitSettings {
  /** Failed sign-ins to one account in 15 minutes, from any address. */
  signInsPerAccount: number;
  /** Failed sign-ins from one address in 15 minutes, to any account. */
  signInsPerAddress: number;
}

/** Reported with the header `Retry-After`. */
export class RateLimitedError extends FathomError {
  declare readonly retryAfterS: number;

  constructor(message: string, waitMs: number) {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    super('rate_limited', `${message}; try again in ${seconds} s`, { retryAfterS: seconds });
  }
}

/** A sign-in that has begun. The caller reports how it ended. */
export interface SignInAttempt {
  succeeded(): void;
  failed(): void;
  /** The password was not checked, so the attempt counts as nothing. */
  dropped(): void;
}

/**
 * Limits guessing of passwords.
 *
 * - Per account, failures count when they end, because the programs of one user may sign in many times at once. The number
 *   of concurrent sign-ins is limited, and each failure beyond the limit makes the wait longer.
 * - Per address, sign-ins count when they begin.
 * - An address that has signed in to the account before has its own counter for it. So an attacker who fails on purpose
 *   cannot lock the owner out.
 */
export class SignInLimits {
  readonly #accounts: Buckets;
  readonly #addresses: Buckets;
  readonly #concurrent = new Counts();
  /** By account. */
  readonly #trusted = new Map<string, Set<string>>();

  constructor(settings: LimitSettings, clock: Clock) {
    const signIns = { windowMs: SIGN_IN_WINDOW_MS, clock };
    this.#accounts = new Buckets({ ...signIns, capacity: settings.signInsPerAccount });
    this.#addresses = new Buckets({ ...signIns, capacity: settings.signInsPerAddress });
  }

  configure(settings: LimitSettings): void {
    this.#accounts.resize(settings.signInsPerAccount);
    this.#addresses.resize(settings.signInsPerAddress);
  }

  /** @throws RateLimitedError */
  beginSignIn(account: string, address: string): SignInAttempt {
    if (address === LOCAL_ADDRESS) return { succeeded: () => {}, failed: () => {}, dropped: () => {} };
    const accountKey = accountKeyOf(account);
    const network = networkOf(address);
    const pair = `${network} ${accountKey}`;
    const counter = this.#trusted.get(accountKey)?.has(network) ? pair : accountKey;
    const waitMs = Math.max(this.#accounts.waitMs(counter), this.#addresses.waitMs(network));
    if (waitMs > 0) throw new RateLimitedError('too many sign-ins have failed', waitMs);
    const release = this.#concurrent.take(counter, MAX_CONCURRENT);
    if (!release) throw new RateLimitedError('too many sign-ins at the same time', 1000);
    this.#addresses.take(network);
    return {
      failed: () => {
        release();
        this.#accounts.take(counter);
      },
      succeeded: () => {
        release();
        this.#accounts.forget(counter);
        this.#addresses.giveBack(network);
        this.#trust(accountKey, network);
      },
      dropped: () => {
        release();
        this.#addresses.giveBack(network);
      },
    };
  }

  /** Gives an account its own count at an address, as a successful sign-in does. */
  restore(account: string, address: string): void {
    this.#trust(accountKeyOf(account), networkOf(address));
  }

  #trust(accountKey: string, network: string): void {
    const networks = this.#trusted.get(accountKey) ?? new Set();
    networks.delete(network);
    networks.add(network);
    removeOldestOver(networks, MAX_TRUSTED_NETWORKS);
    this.#trusted.delete(accountKey);
    this.#trusted.set(accountKey, networks);
    removeOldestOver(this.#trusted, MAX_TRUSTED_ACCOUNTS);
  }
}

function accountKeyOf(account: string): string {
  return foldAddress(account).slice(0, 254);
}

/** Returns the /64 of an IPv6 address, because one subscriber can use all addresses of a /64; IPv4 stays as it is. */
export function networkOf(address: string): string {
  return prefixOf(address, 64) ?? address.replace('::ffff:', '');
}

/** Returns the network of an IPv6 address; null for IPv4. */
export function prefixOf(address: string, bits: 48 | 64): string | null {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return null;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  const groups = all.slice(0, bits / 16).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/${bits}`;
}
