import { FathomError } from '../../shared/errors.ts';
import type { InstancePhase } from '../../shared/instance.ts';
import type { Clock } from '../base/time/clock.ts';

/** A replica is about a second behind. */
const WAIT_MS = 15_000;
const LOOK_EVERY_MS = 200;

/** Phases in which a database has no process. */
export const RELEASED: ReadonlySet<InstancePhase> = new Set(['stopped', 'asleep', 'failed']);

/** How far the replicas of databases reach that are not registered, by the path of `data.db`. */
export class ReachedTimes {
  /** Those whose last changes were not sent. Null when nothing was. */
  readonly #behind = new Map<string, Date | null>();

  /** Its changes since then were not sent. An earlier time stays. */
  noteBehind(path: string, syncedAt: Date | null): void {
    if (!this.#behind.has(path) || syncedAt !== null) this.#behind.set(path, syncedAt);
  }

  isBehind(path: string): boolean {
    return this.#behind.has(path);
  }

  /** Everything of it was sent. */
  noteSynced(path: string): void {
    this.#behind.delete(path);
  }

  /**
   * Everything that was written until then can be restored. What does not run does not change. Null when it is not known.
   *
   * @param syncedAt of a database that is registered
   */
  of(path: string, phase: InstancePhase | null, syncedAt: Date | null, now: Date): Date | null {
    if (syncedAt !== null) return syncedAt;
    const behind = this.#behind.get(path);
    if (behind !== undefined) return behind;
    return phase === null || RELEASED.has(phase) ? now : null;
  }
}

/**
 * Waits until a replica has everything of before a time: Litestream restores an earlier state without an error otherwise.
 *
 * @param reached how far the replica reaches; null when it is not known
 * @throws FathomError `conflict` when it does not get there
 */
export async function untilReached(
  { name, at, signal }: { name: string; at: Date; signal: AbortSignal },
  reached: () => Date | null,
  clock: Clock,
): Promise<void> {
  const until = clock.monotonic() + WAIT_MS;
  for (;;) {
    signal.throwIfAborted();
    const last = reached();
    if (last !== null && last >= at) return;
    if (clock.monotonic() >= until)
      throw new FathomError(
        'conflict',
        `the replica of ${name} does not reach ${at.toISOString()} yet: ${last === null ? 'Litestream has not read the database since its start' : `its last time is ${last.toISOString()}`}; see 'fathomd status', then restore it again, or restore an earlier time`,
      );
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}
