import { FathomError } from '../../../shared/errors.ts';
import type { LimitName, Limits } from '../../../shared/limits.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Clock } from '../../base/time/clock.ts';
import { Buckets } from '../sign-in/buckets.ts';
import { RateLimitedError } from '../sign-in/sign-in-limits.ts';
import type { UserRepository } from '../user-repository.ts';
import type { Plans } from './plans.ts';

/** Things that a user has, for messages. */
const COUNTED = { api_keys: 'API keys', tasks: 'waiting tasks' } as const satisfies {
  [Name in LimitName]?: string;
};

type CountedLimit = keyof typeof COUNTED;

const HOUR_MS = 3_600_000;

/** Checks the limits of users that count things: keys, streams, tasks, restarts. */
export class UserLimits {
  readonly #deps: { plans: Plans; users: Pick<UserRepository, 'find'> };
  readonly #restarts: Buckets;
  /** By user and limit, so that concurrent additions cannot pass the limit together. */
  readonly #additions = new KeyedMutex();

  constructor({ clock, ...deps }: { plans: Plans; users: Pick<UserRepository, 'find'>; clock: Clock }) {
    this.#deps = deps;
    this.#restarts = new Buckets({ capacity: 1, windowMs: HOUR_MS, clock });
  }

  /** The limits of a user. An unknown user has those of the default plan. */
  async of(userId: string): Promise<Limits> {
    const { plans, users } = this.#deps;
    return plans.limitsOf((await users.find(userId))?.plan ?? '');
  }

  /**
   * Adds one thing for a user, unless the limit is reached. Additions for one user and limit run one after the other.
   *
   * @param count the things that the user has
   * @param remedy how the user gets below the limit
   * @throws FathomError `limit.reached`
   */
  async add<T>(
    name: CountedLimit,
    userId: string,
    { count, remedy, add }: { count: () => Promise<number>; remedy: string; add: () => Promise<T> },
  ): Promise<T> {
    return this.#additions.run(`${name}/${userId}`, async () => {
      const limit = (await this.of(userId))[name];
      if (limit !== null && (await count()) >= limit) throw limitReached(name, limit, remedy);
      return add();
    });
  }

  /** Counts a start, stop, restart, sleep or wake of a database that its owner requests. @throws RateLimitedError */
  async countRestart(userId: string): Promise<void> {
    const { restarts_per_hour: limit } = await this.of(userId);
    if (limit === null) return;
    if (limit === 0)
      throw new FathomError(
        'limit.reached',
        'the plan allows no starts, stops, restarts, sleeps and wakes; ask the administrator',
      );
    this.#restarts.resize(limit);
    const waitMs = this.#restarts.waitMs(userId);
    if (waitMs > 0) {
      throw new RateLimitedError(
        `your plan allows ${limit} starts, stops, restarts, sleeps and wakes in an hour`,
        waitMs,
      );
    }
    this.#restarts.take(userId);
  }
}

function limitReached(name: CountedLimit, limit: number, remedy: string): FathomError {
  return new FathomError(
    'limit.reached',
    `the user has as many ${COUNTED[name]} as the plan allows (${limit}); ${remedy}`,
  );
}
