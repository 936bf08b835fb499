import type { PhaseReason } from '../../shared/api/instances.ts';
import { CANNOT_START, type Unavailable } from '../pocketbase/sockets/unavailable.ts';

/** The phases in which an instance that should run has no process, until a command or time ends them. */
export type IdlePhase = 'failed' | 'backing_off';

const MESSAGES: Record<IdlePhase, string> = {
  failed: CANNOT_START,
  backing_off: 'The database does not run. Its next start is scheduled.',
};

/** What clients of an instance get. It contains no details of the host: those are for administrators. */
export function unavailableReason(
  phase: IdlePhase,
  reason: PhaseReason | null,
  delayMs: number,
): Unavailable {
  return {
    code: reason?.code ?? phase,
    message: MESSAGES[phase],
    retryAfterS: phase === 'backing_off' ? Math.max(1, Math.ceil(delayMs / 1000)) : null,
  };
}
