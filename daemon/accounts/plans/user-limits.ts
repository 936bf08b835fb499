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
const DAY_MS = 24 * HOUR_MS;

/** What a user does at most so many times in a period, for messages. */
const RATES = {
  restarts_per_hour: {
    what: 'starts, stops, restarts, sleeps and wakes',
    period: 'an hour',
    windowMs: HOUR_MS,
  },
  backups_per_day: { what: 'backups', period: 'a day', windowMs: DAY_MS },
  exports_per_day: { what: 'downloads', period: 'a day', windowMs: DAY_MS },
} as const satisfies { [Name in LimitName]?: { what: string; period: string; windowMs: number } };

type Rate = keyof typeof RATES;

/** Checks the limits of users that count things: keys, streams, tasks, and uses in a period. */
export class UserLimits {
  readonly #deps: { plans: Plans; users: Pick<UserRepository, 'find'> };
  readonly #uses: Readonly<Record<Rate, Buckets>>;
  /** By user and limit, so that concurrent additions cannot pass the limit together. */
  readonly #additions = new KeyedMutex();

  constructor({ clock, ...deps }: { plans: Plans; users: Pick<UserRepository, 'find'>; clock: Clock }) {
    this.#deps = deps;
    const bucketsOf = (rate: Rate) => new Buckets({ capacity: 1, windowMs: RATES[rate].windowMs, clock });
    this.#uses = {
      restarts_per_hour: bucketsOf('restarts_per_hour'),
      backups_per_day: bucketsOf('backups_per_day'),
      exports_per_day: bucketsOf('exports_per_day'),
    };
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

  /** Counts a use by the owner: a start, stop, restart, sleep or wake, a backup, a download. @throws RateLimitedError */
  async countUse(rate: Rate, userId: string): Promise<void> {
    const { [rate]: limit } = await this.of(userId);
    if (limit === null) return;
    const { what, period } = RATES[rate];
    if (limit === 0)
      throw new FathomError('limit.reached', `the plan allows no ${what}; ask the administrator`);
    const uses = this.#uses[rate];
    uses.resize(limit);
    const waitMs = uses.waitMs(userId);
    if (waitMs > 0) throw new RateLimitedError(`your plan allows ${limit} ${what} in ${period}`, waitMs);
    uses.take(userId);
  }

  /** The use did not happen. */
  giveBackUse(rate: Rate, userId: string): void {
    this.#uses[rate].giveBack(userId);
  }
}

function limitReached(name: CountedLimit, limit: number, remedy: string): FathomError {
  return new FathomError(
    'limit.reached',
    `the user has as many ${COUNTED[name]} as the plan allows (${limit}); ${remedy}`,
  );
}
