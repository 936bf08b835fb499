import type { DatabaseBackups } from '../../shared/api/backups.ts';
import type { Instance, PhaseReason } from '../../shared/api/instances.ts';
import type { ErrorCode, FathomError } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import { type Caller, seesAll } from './caller.ts';

const HIDDEN_CAUSE = 'an administrator sees the cause';
const LATER = 'Try again later, or ask an administrator.';

/**
 * Messages for users, by error codes whose own messages name paths, settings and commands of the host. An administrator
 * finds the cause in the daemon's log by the request id.
 */
const PUBLIC_DETAILS: Partial<Record<ErrorCode, string>> = {
  'provision.failed': 'The database cannot be created now. The account was created; sign in later.',
  'ports.exhausted': 'There is no room for the database now. The account was created; sign in later.',
  'databases.limit_reached':
    'The server has no room for another database. Try again later, or ask its administrator.',
  'instance.failed': `The database does not run. ${LATER}`,
  'backup.failed': `The backup cannot be made or used, and the database is as before. ${LATER}`,
  'cluster.unavailable': `This cannot be done now. ${LATER}`,
  'control_plane.unavailable': `The accounts cannot be reached or changed now. ${LATER}`,
  'secret.undecryptable': `The database cannot be reached now. ${LATER}`,
  internal: `The request failed. ${LATER}`,
};

/** Reasons whose messages say nothing about the host. */
const PUBLIC_REASONS: ReadonlySet<PhaseReason['code']> = new Set(['requested', 'idle']);

/** Whether the caller may see details of the host. */
function isOperator(caller: Caller | null): boolean {
  return seesAll(caller, 'databases.read');
}

/** Returns the message of an error that the caller may see. */
export function redactDetail(caller: Caller | null, { code, message }: FathomError): string {
  return isOperator(caller) ? message : (PUBLIC_DETAILS[code] ?? message);
}

/** Hides messages that name paths and settings of the host. */
export function redactBackups(caller: Caller | null, backups: DatabaseBackups): DatabaseBackups {
  if (isOperator(caller)) return backups;
  const { failure, drill, last_restore: restore } = backups;
  return {
    ...backups,
    failure: failure && { ...failure, message: HIDDEN_CAUSE, remedy: LATER },
    drill: drill && { ...drill, problem: drill.problem && HIDDEN_CAUSE },
    last_restore: restore && {
      ...restore,
      problem: restore.problem && {
        ...restore.problem,
        detail: PUBLIC_DETAILS[restore.problem.code] ?? restore.problem.detail,
      },
    },
  };
}

/** Hides paths of the host and the output of the process from callers who may see their own database only. */
export function redactInstance(caller: Caller | null, instance: Instance): Instance {
  if (isOperator(caller)) return instance;
  const { name, reason, moved } = instance;
  return {
    ...instance,
    db_path: `${name}/pb_data`,
    reason: redactReason(caller, reason),
    moved: moved && { ...moved, reason: `port ${moved.from} was not free` },
  };
}

/** Hides what `redactInstance` hides. */
export function redactEvent(caller: Caller | null, event: FleetEvent): FleetEvent {
  return 'instance' in event ? { ...event, instance: redactInstance(caller, event.instance) } : event;
}

/** Hides the message, which may contain output of the process. */
export function redactReason(caller: Caller | null, reason: PhaseReason | null): PhaseReason | null {
  if (reason === null || PUBLIC_REASONS.has(reason.code) || isOperator(caller)) return reason;
  return { code: reason.code, message: HIDDEN_CAUSE };
}
