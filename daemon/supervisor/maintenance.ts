import type { PhaseReason } from '../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import type { Unavailable } from '../pocketbase/sockets/unavailable.ts';
import type { InstanceFiles } from './instance-files.ts';
import type { InstanceSpec } from './instance-spec.ts';

/** The answer to clients of a database that was asleep, if its maintenance takes long. */
export const MAINTAINED: Unavailable = {
  code: 'maintained',
  message: 'The database is being maintained. Try again later.',
  retryAfterS: 10,
};

export function maintenanceConflict(name: string): FathomError {
  return new FathomError('conflict', `${name} is being maintained or deleted; try again later`);
}

/** Work on the files of an instance, between two of its processes. */
export class Maintenance {
  readonly why: PhaseReason;
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  readonly #aborted = new AbortController();

  constructor(work: (signal: AbortSignal) => Promise<void>, why: PhaseReason) {
    this.#work = work;
    this.why = why;
  }

  /** Settles as `work` does. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  abort(): void {
    this.#aborted.abort();
  }

  /** Aborts the work and waits for its end. The caller of `maintain` gets an error. */
  async cancel(): Promise<void> {
    this.abort();
    await Promise.allSettled([this.ended]);
  }

  /**
   * Never rejects.
   *
   * @param files of the instance; what else holds them open ends first
   * @param isFree whether the instance has no process
   * @param onEnd called before `ended` settles, so that who waits for it can begin other work
   */
  async run(
    { name, directory }: Pick<InstanceSpec, 'name' | 'directory'>,
    files: Pick<InstanceFiles, 'release'>,
    isFree: boolean,
    onEnd: () => void,
  ): Promise<void> {
    try {
      if (!isFree) throw new FathomError('instance.failed', `the process of ${name} cannot be ended yet`);
      await files.release(directory);
      await this.#work(this.#aborted.signal);
      onEnd();
      this.#end.resolve();
    } catch (error) {
      onEnd();
      this.#end.reject(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  /** The instance was closed before the work began. */
  refuse(name: string): void {
    this.#end.reject(maintenanceConflict(name));
  }
}
