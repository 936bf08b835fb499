/** Why a backup failed. */
export const BACKUP_FAILURES = [
  'target_full',
  'target_away',
  'target_denied',
  'target_foreign',
  'database_damaged',
  'disk_full',
  'key_unusable',
  'failed',
] as const;

export type BackupFailureReason = (typeof BACKUP_FAILURES)[number];

/** What to do about each. */
export const BACKUP_REMEDIES: Readonly<Record<BackupFailureReason, string>> = {
  target_full: 'free space on the target, or set BACKUP_TARGET to a larger one',
  target_away: 'mount or start the target; Fathom tries again by itself',
  target_denied: 'let the user of fathomd write to the target',
  target_foreign:
    "set BACKUP_TARGET to the target of this host; if no other host uses this one any more, run 'fathomd backups accept-target'",
  database_damaged: 'restore a backup of the database; its earlier backups are kept',
  disk_full: 'free space on the disk of FATHOM_DATA_DIR',
  key_unusable: 'set AES_PREVIOUS_MASTER_KEY to the master key with which the backups were made',
  failed: 'read the message; the log of the daemon has more',
};

export interface BackupProblem {
  /** The same for as long as the problem lasts. */
  kind: BackupFailureReason | 'late' | 'keys' | 'replica' | 'drill_failed' | 'unproven' | 'escrow';
  databases: number;
  text: string;
  remedy: string;
}

/** What is wrong with the backups, each with the next step; empty if nothing is. An earlier daemon knows no keys, drills and replicas. */
export function backupProblems({
  late,
  failures,
  unusable_keys: keys = [],
  drills,
  replica = null,
}: {
  late: number;
  failures: readonly { reason: BackupFailureReason; databases: number; message: string; remedy: string }[];
  unusable_keys?: readonly { database: string; problem: string }[];
  drills?: DrillProblems;
  replica?: { problem: string | null; remedy: string | null } | null;
}): BackupProblem[] {
  const found = failures.map(
    ({ reason, databases, message, remedy }): BackupProblem => ({
      kind: reason,
      databases,
      text: databases === 1 ? message : `${databases} databases: ${message}`,
      remedy,
    }),
  );
  if (late > 0)
    found.push({
      kind: 'late',
      databases: late,
      text: late === 1 ? '1 database has no recent backup' : `${late} databases have no recent backup`,
      remedy: "'fathomd backups list' names them, 'fathomd backups create --all' backs them up",
    });
  const [key] = keys;
  if (key)
    found.push({
      kind: 'keys',
      databases: keys.length,
      text: `backups of ${countOthers(key.database, keys.length)} cannot be opened with the present keys: ${key.problem}`,
      remedy: 'copy its file in keys/ from another copy of the target, or set AES_PREVIOUS_MASTER_KEY',
    });
  if (replica !== null && replica.problem !== null)
    found.push({
      kind: 'replica',
      databases: 1,
      text: replica.problem,
      remedy: replica.remedy ?? 'the log of the daemon has more',
    });
  return drills === undefined ? found : [...found, ...drillProblems(drills)];
}

interface DrillProblems {
  failed: readonly { database: string; problem: string }[];
  failed_databases: number;
  unproven: readonly string[];
  unproven_databases: number;
  escrow: { problem: string | null } | null;
}

function drillProblems(drills: DrillProblems): BackupProblem[] {
  const found: BackupProblem[] = [];
  const [failed] = drills.failed;
  if (failed)
    found.push({
      kind: 'drill_failed',
      databases: drills.failed_databases,
      text: `no proven backup for ${countOthers(failed.database, drills.failed_databases)}: the drill failed: ${failed.problem}`,
      remedy: `'fathomd backups create ${failed.database}', then 'fathomd backups drill ${failed.database}'`,
    });
  const [unproven] = drills.unproven;
  if (unproven !== undefined)
    found.push({
      kind: 'unproven',
      databases: drills.unproven_databases,
      text: `no proven backup for ${countOthers(unproven, drills.unproven_databases)} in five weeks`,
      remedy: `'fathomd backups drill ${unproven}' proves the last one, or says why it cannot`,
    });
  const problem = drills.escrow?.problem ?? null;
  if (problem !== null)
    found.push({
      kind: 'escrow',
      databases: 1,
      text: `the secrets of the host are not safe on the target: ${problem}`,
      remedy:
        "remove escrow/secrets.json on the target, then 'fathomd backups create global' stores it again",
    });
  return found;
}

function countOthers(name: string, count: number): string {
  return count === 1 ? name : `${name} and ${count - 1} more`;
}
