import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EndedRestore, endedRestoreSchema } from '../../../shared/api/backups.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull, systemErrorCode } from '../../base/files/dir.ts';
import { CANNOT_MOVE } from '../../base/files/remove-tree.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Catalog } from '../../databases/catalog.ts';
import { UnsafeDatabase } from '../../pocketbase/data/schema-check.ts';
import { isFull } from '../../pocketbase/data/sqlite.ts';
import { BackupProblem } from '../backup-problem.ts';
import { BackupFailed } from '../run/backup-processes.ts';

export const UNDONE = new FathomError(
  'conflict',
  'the daemon ended during the restore, so the database is as before; restore it again',
);

/** The error for a caller. Until the swap, the database is as before. */
function describeFailure(error: unknown, name: string): unknown {
  if (error instanceof FathomError) return error;
  const cause = { cause: error };
  const isNamedFull = error instanceof BackupFailed && error.reason === 'disk_full';
  if (isNamedFull || isDiskFull(error) || isFull(error))
    return new FathomError(
      'backup.failed',
      `the disk is full, so ${name} was not restored and is as before; free some space, then restore it again`,
      cause,
    );
  if (CANNOT_MOVE.has(systemErrorCode(error)))
    return new FathomError(
      'backup.failed',
      `pb_data of ${name} is a mount point, or lies in a layer of a container, so it cannot be exchanged; the database is as before. Move its data into a plain directory, then restore it again`,
      cause,
    );
  const kinds = [BackupFailed, BackupProblem, UnsafeDatabase];
  if (error instanceof Error && kinds.some((kind) => error instanceof kind))
    return new FathomError(
      'backup.failed',
      `${name} was not restored and is as before: ${error.message}`,
      cause,
    );
  return error;
}

export interface EndedRestoresDeps {
  clock: Clock;
  log: Logger;
  catalog: Pick<Catalog, 'directoryOf'>;
}

/** How the last restore of each database ended. It is stored beside the data, so a new daemon knows it as well. */
export class EndedRestores {
  readonly #deps: EndedRestoresDeps;
  /** Null for a database without one. Files are read once. */
  readonly #last = new Map<string, EndedRestore | null>();

  #onRestored: (database: string, backup: string) => Promise<void> = () => Promise.resolve();

  constructor(deps: EndedRestoresDeps) {
    this.#deps = deps;
  }

  /** @param report is called for each restore that did not fail; it does not reject */
  onRestored(report: (database: string, backup: string) => Promise<void>): void {
    this.#onRestored = report;
  }

  of(database: string): EndedRestore | null {
    const known = this.#last.get(database);
    if (known !== undefined) return known;
    const stored = this.#read(database);
    this.#last.set(database, stored);
    return stored;
  }

  /** Best effort: a result that cannot be stored is known until the end of the daemon. @param failure null when it did not fail */
  async add(database: string, backup: string, failure: unknown): Promise<void> {
    const { clock, log } = this.#deps;
    const problem = failure === null ? null : problemOf(failure);
    const restore: EndedRestore = { backup, ended_at: clock.now().toISOString(), problem };
    this.#last.set(database, restore);
    try {
      await replaceFile(this.#fileOf(database), JSON.stringify(restore), { mode: 0o600, synced: true });
    } catch (error) {
      log.warn({ instance: database }, `cannot store how its restore ended: ${messageOf(error)}`);
    }
    if (failure === null) await this.#onRestored(database, backup);
  }

  /** @returns the error for the caller */
  async addFailed(database: string, backup: string, error: unknown): Promise<unknown> {
    const failure = describeFailure(error, database);
    await this.add(database, backup, failure);
    return failure;
  }

  #read(database: string): EndedRestore | null {
    try {
      const file = this.#fileOf(database);
      // Most of thousands have none. An error would take five times as long.
      return existsSync(file) ? endedRestoreSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : null;
    } catch (error) {
      this.#deps.log.warn(
        { instance: database },
        `cannot read how its last restore ended: ${messageOf(error)}`,
      );
      return null;
    }
  }

  #fileOf(database: string): string {
    return join(this.#deps.catalog.directoryOf(database), 'last-restore.json');
  }
}

function problemOf(failure: unknown): NonNullable<EndedRestore['problem']> {
  if (failure instanceof FathomError) return { code: failure.code, detail: failure.message };
  return { code: 'internal', detail: messageOf(failure) };
}
