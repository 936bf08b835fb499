import type { NewTask, TaskType } from '../../../shared/api/queue.ts';
import { FathomError, type FieldError } from '../../../shared/errors.ts';
import { RateLimitedError } from '../../accounts/sign-in/sign-in-limits.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { TaskStore } from '../store/task-store.ts';
import { listOwnerTypes, type OwnerRules, readOwnerRules } from './declaration.ts';

/** Decide about the tasks of others: the order, and how long a worker is occupied. */
const FOR_ADMINISTRATORS = ['priority', 'max_attempts', 'timeout_s'] as const;
/** Keys are stored with the id of the owner in front. */
const MAX_KEY = 200;
/** Of a payload that is not valid. */
const MAX_FIELDS = 10;
const MAX_PATH = 200;
/** When a waiting task ends is not known. */
const RETRY_WAITING_MS = 10_000;

export interface OwnerTasksDeps {
  tasksDir: string;
  log: Logger;
  clock: Clock;
  hasDatabase: (userId: string) => boolean;
  store: Pick<TaskStore, 'countOwned'>;
}

/** Checks the tasks that owners add for their own databases. */
export class OwnerTasks {
  readonly #deps: OwnerTasksDeps;

  constructor(deps: OwnerTasksDeps) {
    this.#deps = deps;
  }

  listTypes(): TaskType[] {
    return listOwnerTypes(this.#deps.tasksDir, this.#deps.log);
  }

  /**
   * Returns the task as it is stored.
   *
   * @throws FathomError `not_found` for a type that owners cannot add, or without a database; `request.invalid`
   */
  check(userId: string, task: NewTask): { task: NewTask; rules: OwnerRules } {
    const { tasksDir, log, clock, hasDatabase } = this.#deps;
    const rules = readOwnerRules(task.type, tasksDir, log);
    if (rules === null) throw closed(task.type, this.listTypes());
    const fields = [...problemsOf(task), ...payloadProblems(task.payload, rules)];
    if (fields.length > 0)
      throw new FathomError('request.invalid', 'the task does not match what owners may add', { fields });
    if (!hasDatabase(userId)) throw new FathomError('not_found', 'this account has no database now');
    const { unique_key, run_at, ...rest } = task;
    return {
      rules,
      task: {
        ...rest,
        user_id: userId,
        // Of tasks with the same priority, the one with the earliest time runs first.
        ...(run_at !== undefined && Date.parse(run_at) > clock.now().getTime() && { run_at }),
        ...(unique_key !== undefined && { unique_key: `owner:${userId}:${unique_key}` }),
      },
    };
  }

  /** Call it for one task of an owner at a time. @throws RateLimitedError */
  async checkLimits(userId: string, type: string, { maxWaiting, perHour }: OwnerRules): Promise<void> {
    const { waiting, free_in_ms } = await this.#deps.store.countOwned({
      user_id: userId,
      type,
      per_hour: perHour,
    });
    if (waiting >= maxWaiting)
      throw new RateLimitedError(
        `you have ${waiting} waiting tasks of the type '${type}', the limit is ${maxWaiting}`,
        RETRY_WAITING_MS,
      );
    if (free_in_ms !== null)
      throw new RateLimitedError(`you can add ${perHour} tasks of the type '${type}' in an hour`, free_in_ms);
  }
}

function closed(type: string, open: readonly TaskType[]): FathomError {
  const known = open.length === 0 ? 'There are none' : `There are ${open.map((one) => one.type).join(', ')}`;
  return new FathomError(
    'not_found',
    `there is no type '${type}' that owners may add. ${known}; an administrator opens a handler to owners`,
  );
}

function problemsOf(task: NewTask): FieldError[] {
  const set = FOR_ADMINISTRATORS.filter((name) => task[name] !== undefined);
  const isLong = (task.unique_key ?? '').length > MAX_KEY;
  return [
    ...set.map((path) => ({ path, message: 'only administrators may set it; leave it out' })),
    ...(isLong ? [{ path: 'unique_key', message: `has more than ${MAX_KEY} characters` }] : []),
  ];
}

function payloadProblems(payload: unknown, rules: OwnerRules): FieldError[] {
  const { error } = rules.payload.safeParse(payload);
  return (error?.issues ?? []).slice(0, MAX_FIELDS).map(({ path, message }) => ({
    path: ['payload', ...path].join('.').slice(0, MAX_PATH),
    message: message.slice(0, MAX_PATH),
  }));
}
