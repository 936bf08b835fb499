import { backoffMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { BackupErasure } from '../../../shared/hooks/control-plane-routes.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { BackupFailed, type ShownFailure, shownFailureOf } from '../run/backup-processes.ts';
import type { Backups } from '../service/backups.ts';

const RETRY = { baseMs: 60_000, capMs: 3_600_000 };

/** An erasure of backups that has not ended. */
export interface PendingErasure extends Pick<BackupErasure, 'database' | 'account' | 'requested'> {
  /** Null before the first attempt. */
  failure:
    | (ShownFailure & {
        since: Date;
        /** When the object lock ends that keeps the key; null without one. */
        lockedUntil: Date | null;
      })
    | null;
}

export interface ErasuresDeps {
  repository: {
    listErasures(): Promise<BackupErasure[]>;
    /** Deletes the row. @param id of it */
    endErasure(id: string): Promise<void>;
  };
  backups: Pick<Backups, 'erase'>;
  /** Called when the backups of a database are erased. */
  onErased: (database: string) => Promise<void>;
  clock: Clock;
  log: Logger;
}

/**
 * Erases the backups of databases that were erased. Rows of `backup_erasures` say which, so that nothing is forgotten while the
 * target is away:
 *
 *   requested ──▶ erased, the row is deleted
 *    ▲      └──▶ failed ─▶ waits, longer each time
 *    └──────────────────────┘
 */
export class Erasures {
  readonly #deps: ErasuresDeps;
  #pending: PendingErasure[] = [];
  #failures = 0;
  #loop: Loop | null = null;

  constructor(deps: ErasuresDeps) {
    this.#deps = deps;
  }

  /** Reads what an earlier daemon left. Until then, nothing seems to be pending. */
  async load(): Promise<void> {
    await this.#read();
  }

  start(): void {
    this.#loop = startLoop(this.#deps.clock, (stopping) => this.#pass(stopping));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Begins the erasure of the backups of a database, whose row was stored. */
  request(erasure: Pick<BackupErasure, 'database' | 'account' | 'requested'>): void {
    const isKnown = this.#pending.some(({ database }) => database === erasure.database);
    if (!isKnown) this.#pending = [...this.#pending, { ...erasure, failure: null }];
    this.#failures = 0;
    this.#loop?.wake();
  }

  get pending(): readonly PendingErasure[] {
    return this.#pending;
  }

  /** @returns milliseconds until the next look */
  async #pass(stopping: AbortSignal): Promise<number> {
    const { log } = this.#deps;
    try {
      for (const row of await this.#read()) {
        if (stopping.aborted) break;
        await this.#erase(row, stopping);
      }
    } catch (error) {
      log.error({ err: error }, `cannot read which backups have to be erased: ${messageOf(error)}`);
    }
    const isDone = this.#pending.length === 0;
    this.#failures = isDone ? 0 : this.#failures + 1;
    return backoffMs(this.#failures + 1, RETRY);
  }

  async #read(): Promise<BackupErasure[]> {
    const before = new Map(this.#pending.map((one) => [one.database, one]));
    const rows = await this.#deps.repository.listErasures();
    const stored = new Set(rows.map(({ database }) => database));
    const requestedMeanwhile = this.#pending.filter(
      ({ database }) => !before.has(database) && !stored.has(database),
    );
    this.#pending = [
      ...rows.map(({ database, account, requested }) => ({
        database,
        account,
        requested,
        failure: before.get(database)?.failure ?? null,
      })),
      ...requestedMeanwhile,
    ];
    return rows;
  }

  async #erase({ id, database, account }: BackupErasure, stopping: AbortSignal): Promise<void> {
    const { repository, backups, onErased, log } = this.#deps;
    try {
      await backups.erase(database, account);
      await repository.endErasure(id);
      this.#pending = this.#pending.filter((one) => one.database !== database);
      log.info({ database }, 'erased the backups of a database');
      await onErased(database);
    } catch (error) {
      if (!stopping.aborted) this.#noteFailure(database, error);
    }
  }

  #noteFailure(database: string, error: unknown): void {
    const { clock, log } = this.#deps;
    const shown = shownFailureOf(error);
    const found = this.#pending.find((one) => one.database === database);
    if (!found) return;
    // The same problem is logged once, not with every retry.
    if (found.failure?.message !== shown.message)
      log.error(
        { database, reason: shown.reason },
        `the backups of ${database} are not erased yet: ${messageOf(error)}`,
      );
    const since = found.failure?.since ?? clock.now();
    const lockedUntil = error instanceof BackupFailed ? error.lockedUntil : null;
    found.failure = { ...shown, since, lockedUntil };
  }
}
