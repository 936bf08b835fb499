import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ReplicaConfig } from '../config/replica.ts';
import { programEnvironment } from './litestream-binary.ts';
import { replicaUrl } from './litestream-config.ts';
import { remedyOf } from './litestream-error.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;
const CHECK_EVERY_MS = 3_600_000;
/** Each step of the plan is a line. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** Litestream's message when no file begins with the first change. */
export const NOTHING = 'no matching backup files available';
const GAP = /non-contiguous/;
/** Litestream itself waits up to five minutes between two attempts. */
const LATE_S = 60;
export const REACH_TARGET = 'mount or start the target of REPLICA, and let the user of fathomd write to it';

/** `empty` when nothing can be restored, `gap` when changes in the middle are missing; null when it is whole or not known. */
type ReplicaFault = 'empty' | 'gap' | null;

/** Asks Litestream for the files that a restore would read, without reading them. Never rejects. */
async function checkReplica(binary: string, url: string): Promise<ReplicaFault> {
  try {
    await run(binary, ['restore', '-dry-run', '-o', '/dev/null/data.db', url], {
      env: programEnvironment(),
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return null;
  } catch (error) {
    // A target that is away is shown by its lag.
    const { stderr = '' } = error as { stderr?: string };
    if (stderr.includes(NOTHING)) return 'empty';
    return GAP.test(stderr) ? 'gap' : null;
  }
}

export interface CheckedReplica {
  name: string;
  /** The last time at which the replica had everything; null before the first. */
  syncedAt: Date | null;
  /** Monotonic. */
  checkAt: number;
  hasGap: boolean;
}

/** Checks replicas again and again, one at a time. Each check lists the files of one. */
export class ReplicaChecks<T extends CheckedReplica> {
  readonly #deps: { config: ReplicaConfig; clock: Clock; log: Logger };
  readonly #pathOf: (replica: T) => Promise<string>;
  readonly #onEmpty: (key: string, replica: T) => Promise<void>;
  #isChecking = false;

  /**
   * @param hooks.pathOf the path of a replica below the target
   * @param hooks.onEmpty called when nothing of a replica is left
   */
  constructor(
    deps: { config: ReplicaConfig; clock: Clock; log: Logger },
    hooks: { pathOf: (replica: T) => Promise<string>; onEmpty: (key: string, replica: T) => Promise<void> },
  ) {
    this.#deps = deps;
    this.#pathOf = hooks.pathOf;
    this.#onEmpty = hooks.onEmpty;
  }

  /** Begins the check of the next replica that is due, unless one is in progress. */
  checkNext(replicas: ReadonlyMap<string, T>): void {
    const now = this.#deps.clock.monotonic();
    const next = [...replicas].find(([, { syncedAt, checkAt }]) => syncedAt !== null && now >= checkAt);
    if (this.#isChecking || !next) return;
    const [key, replica] = next;
    replica.checkAt = now + CHECK_EVERY_MS;
    this.#isChecking = true;
    void this.#check(key, replica)
      .catch((error: unknown) =>
        this.#deps.log.error({ err: error }, `a check of a replica failed: ${messageOf(error)}`),
      )
      .finally(() => {
        this.#isChecking = false;
      });
  }

  async #check(key: string, replica: T): Promise<void> {
    const { target, binaryPath } = this.#deps.config;
    if (target === null) return;
    const url = replicaUrl(target, await this.#pathOf(replica));
    const fault = await checkReplica(binaryPath ?? 'litestream', url);
    replica.hasGap = fault === 'gap';
    if (fault === 'empty') await this.#onEmpty(key, replica);
  }
}

/** The problem of the first replica in which changes are missing; null without one. */
export function problemOfGaps(
  replicas: Iterable<{ name: string; hasGap: boolean }>,
): { text: string; remedy: string } | null {
  const found = [...replicas].find(({ hasGap }) => hasGap);
  if (!found) return null;
  return {
    text: `changes are missing in the replica of ${found.name}: times after them cannot be restored`,
    remedy: `run 'fathomd backups create ${found.name}'; Litestream stores the whole database within a day, and later times can be restored then`,
  };
}

/** The problem of the first database that is not registered; null without one. */
export function problemOfRefusals([text]: Iterable<string>): { text: string; remedy: string } | null {
  return text === undefined ? null : { text, remedy: 'correct the cause; Fathom tries again by itself' };
}

/** How far a replica is behind. */
export interface Lag {
  name: string;
  seconds: number;
}

/** Seconds since a replica had everything, or since its registration (`at`). */
export function lagOf({ at, syncedAt }: { at: Date; syncedAt: Date | null }, now: Date): number {
  return Math.max(0, (now.getTime() - (syncedAt ?? at).getTime()) / 1000);
}

/** The replica that is furthest behind; null without one. */
export function worstOf(
  replicas: Iterable<{ name: string; at: Date; syncedAt: Date | null }>,
  now: Date,
): Lag | null {
  let worst: Lag | null = null;
  for (const replica of replicas) {
    const seconds = lagOf(replica, now);
    if (worst === null || seconds > worst.seconds) worst = { name: replica.name, seconds };
  }
  return worst;
}

export function isLate(lag: Lag | null): lag is Lag {
  return lag !== null && lag.seconds >= LATE_S;
}

/** @param error the last one of Litestream; null without one */
export function problemOfLag(lag: Lag | null, error: string | null): { text: string; remedy: string } | null {
  if (!isLate(lag)) return null;
  const cause = error === null ? '' : `: ${error}`;
  return {
    text: `the replica of ${lag.name} is ${Math.round(lag.seconds)} s behind${cause}`,
    remedy: remedyOf(error ?? '') ?? REACH_TARGET,
  };
}
