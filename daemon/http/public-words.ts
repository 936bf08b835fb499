import type { ErrorCode, FathomError } from '../../shared/errors.ts';
import type { FleetEvent } from '../../shared/events.ts';
import type { Instance, PhaseReason } from '../../shared/instance.ts';
import { type Caller, seesAll } from './caller.ts';

const LATER = 'Try again later, or ask an administrator.';

/**
 * Errors whose own message names paths, settings and commands of the host. Users get these words, the code and the id of
 * the request, by which the log of the daemon has the cause.
 */
const PUBLIC_DETAILS: Partial<Record<ErrorCode, string>> = {
  'provision.failed': 'The database cannot be made now. The account was created; sign in later.',
  'ports.exhausted': 'There is no room for the database now. The account was created; sign in later.',
  'instance.failed': `The database does not run. ${LATER}`,
  'control_plane.unavailable': `The accounts cannot be reached or changed now. ${LATER}`,
  'secret.undecryptable': `The database cannot be reached now. ${LATER}`,
  internal: `The request failed. ${LATER}`,
};

/** Who may see all databases is told what to do on the host. */
function isOperator(caller: Caller | null): boolean {
  return seesAll(caller, 'databases.read');
}

/** The message of an error for whoever asked. */
export function detailFor(caller: Caller | null, { code, message }: FathomError): string {
  return isOperator(caller) ? message : (PUBLIC_DETAILS[code] ?? message);
}

/** An instance as its owner sees it: without paths of the host and what its process printed. */
export function instanceFor(caller: Caller | null, instance: Instance): Instance {
  if (isOperator(caller)) return instance;
  return { ...instance, db_path: `${instance.name}/pb_data`, reason: reasonFor(caller, instance.reason) };
}

/** An event as the owner of its instance sees it. */
export function eventFor(caller: Caller | null, event: FleetEvent): FleetEvent {
  return 'instance' in event ? { ...event, instance: instanceFor(caller, event.instance) } : event;
}

/** Why an instance is as it is, for whoever asked. */
export function reasonFor(caller: Caller | null, reason: PhaseReason | null): PhaseReason | null {
  if (reason === null || reason.code === 'requested' || isOperator(caller)) return reason;
  return { code: reason.code, message: 'an administrator sees the cause' };
}
