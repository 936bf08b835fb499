import { Semaphore } from '../../base/semaphore.ts';
import { RateLimitedError } from './sign-in-limits.ts';

/** Checks and creations of accounts at the same time. Each keeps the global PocketBase busy with bcrypt. */
const CONCURRENT = 16;
/** Further ones that wait for their turn. */
const MAX_WAITING = 200;
const RETRY_MS = 1_000;

/**
 * Limits the work for callers without an account, over all addresses: however many computers ask, a bounded number of requests
 * competes with those of signed-in users. It does not cover the start of a database, which can take long.
 */
export class SignInBudget {
  readonly #slots = new Semaphore(CONCURRENT);
  /** Running and waiting. */
  #open = 0;

  /** @throws RateLimitedError when too many wait already */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#open >= CONCURRENT + MAX_WAITING) {
      throw new RateLimitedError('too many sign-ins at the same time', RETRY_MS);
    }
    this.#open += 1;
    // Nothing aborts this wait.
    const release = await this.#slots.acquire(new AbortController().signal);
    try {
      return await work();
    } finally {
      release?.();
      this.#open -= 1;
    }
  }
}
