import type { BackupFailureReason } from '../../shared/backup-failure.ts';

/** A backup cannot be made, read or trusted. The message says what to do. */
export class BackupProblem extends Error {
  override readonly name: string = 'BackupProblem';
}

/** SQLite finds damage in a database that is to be backed up. Its earlier backups stay. */
export class DamagedDatabase extends BackupProblem {
  override readonly name = 'DamagedDatabase';

  constructor(database: string, damage: string) {
    super(
      `${database} is damaged (${damage}), so it was not backed up and its earlier backups stay; restore one, or see 'fathomd doctor'`,
    );
  }
}

/** An object of a target was changed, moved, or sealed with another key. */
export class DamagedObject extends BackupProblem {}

/** What a process of backups answers in place of an error. */
export interface NamedFailure {
  reason: BackupFailureReason;
  /** What happened. */
  message: string;
  /** What to do, if that is known better than by the reason. */
  remedy?: string;
  /** When the object lock ends that has refused a deletion. */
  lockedUntil?: Date;
  /** The backup cannot be used, and an earlier one may be. */
  isOfBackup?: boolean;
}
