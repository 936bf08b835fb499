import type { BackupStatus } from '../../../shared/api/backup-status.ts';
import type { InactiveStatus } from '../../../shared/api/inactive-status.ts';
import type { TrashStatus } from '../../../shared/api/trash.ts';
import { backupProblems } from '../../../shared/backup-failure.ts';
import { erasureProblem } from '../../../shared/erasures.ts';
import { inactiveProblem } from '../../../shared/inactive.ts';
import type { LitestreamBinary } from '../../replication/litestream-binary.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Whether the backups of all databases are recent. Null for a daemon of an earlier release. */
export function checkBackups(status: BackupStatus | null): Finding[] {
  if (status === null) return [];
  const problems = backupProblems(status).map(({ text, remedy }) => warning('backups', text, remedy));
  const target = `to ${status.target}`;
  if (problems.length > 0) return problems;
  if (status.schedule === null)
    return [ok('backups', `BACKUP_SCHEDULE is off, so backups ${target} are made on demand`)];
  const key =
    status.recovery_key === false ? "; without a recovery key, see 'fathomd backups recovery-key'" : '';
  return [ok('backups', `backups ${target} at ${status.schedule}${key}`)];
}

/** Whether the backups outlive a restart of the host, and whether Litestream can be used. */
export function checkBackupSettings({
  targetInMemory,
  litestream,
}: Pick<HostFacts, 'targetInMemory' | 'litestream'>): Finding[] {
  return [...checkTargetDisk(targetInMemory), ...checkLitestream(litestream)];
}

function checkTargetDisk(targetInMemory: string | null): Finding[] {
  if (targetInMemory === null) return [];
  return [
    warning(
      'backups',
      `${targetInMemory} is in memory (tmpfs): a restart of the host removes all backups`,
      'set BACKUP_TARGET to a directory on a disk',
    ),
  ];
}

/** The daemon reports with the backups whether it replicates. */
function checkLitestream(found: LitestreamBinary | null): Finding[] {
  if (found === null) return [];
  if (!found.usable) return [warning('replica', found.problem, found.remedy)];
  return [ok('replica', `Litestream ${found.version} at ${found.path}`)];
}

/** Whether deleted databases are erased, with their backups. Null for a daemon of an earlier release. */
export function checkErasures(status: TrashStatus | null): Finding[] {
  const problem = status === null ? null : erasureProblem(status);
  return problem === null ? [] : [warning('erasures', problem.text, problem.remedy)];
}

/** Whether databases that are not used are archived. Null for a daemon of an earlier release. */
export function checkInactive(status: InactiveStatus | null): Finding[] {
  const problem = status === null ? null : inactiveProblem(status);
  return problem === null ? [] : [warning('inactive', problem.text, problem.remedy)];
}
