import type { BackupStatus } from '../../shared/api/backup-status.ts';
import type { InactiveStatus } from '../../shared/api/inactive-status.ts';
import type { TrashStatus } from '../../shared/api/trash.ts';

/** A status without problems, for tests of what is shown. */
export const BACKUP_STATUS: BackupStatus = {
  target: '/srv/fathom/backups',
  schedule: '0 2 * * * UTC',
  next_at: '2024-01-16T02:00:00.000Z',
  running: 0,
  databases: 4,
  bytes: 52_428_800,
  late: 0,
  oldest_at: '2024-01-15T02:00:00.000Z',
  failures: [],
  unusable_keys: [],
  drills: {
    next_at: '2024-01-21T04:00:00.000Z',
    running: null,
    last_at: '2024-01-14T04:00:00.000Z',
    failed: [],
    failed_databases: 0,
    unproven: [],
    unproven_databases: 0,
    without_proof_databases: 0,
    escrow: null,
  },
  replica: null,
  recovery_key: true,
};

export const INACTIVE_STATUS: InactiveStatus = {
  days: 0,
  noticed: 0,
  archived: 0,
  blocked: 0,
  problem: null,
};

export const TRASH_STATUS: TrashStatus = { days: 30, databases: 0, erasures_pending: 0, problem: null };
