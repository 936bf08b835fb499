import type { PhaseReason } from '../../shared/api/instances.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log/log.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import { CANNOT_START, type Unavailable } from '../pocketbase/sockets/unavailable.ts';
import type { InstanceSpec } from './instance-spec.ts';
import type { InstanceState } from './instance-state.ts';
import type { PortAllocator } from './start/ports.ts';

/** The phases in which an instance that should run has no process, until a command or time ends them. */
export type IdlePhase = 'failed' | 'backing_off';

const MESSAGES: Record<IdlePhase, string> = {
  failed: CANNOT_START,
  backing_off: 'The database does not run. Its next start is scheduled.',
};

const AWAY =
  'The database is archived, and its backup cannot be read now. Nothing is lost. It is tried again.';

/** Clients wait for a delayed start at most this long. */
const MAX_WAIT_MS = 2_000;

/** Whether clients wait for a start that is this far away, and get no answer before. */
export function isSoon(delayMs: number): boolean {
  return delayMs <= MAX_WAIT_MS;
}

/** Lets clients get an answer instead of a closed port. They wait for a start that follows soon. Never rejects. */
export async function answerClients(
  { spec, state }: { spec: InstanceSpec; state: InstanceState },
  { driver, ports, log }: { driver: ProcessDriver; ports: PortAllocator; log: Logger },
  { phase, reason, delayMs }: { phase: IdlePhase; reason: PhaseReason | null; delayMs: number },
): Promise<void> {
  const { port } = state.observed;
  if (port === null) return;
  try {
    const isOpen = await ports.open(spec.name, port);
    if (!isOpen || state.phase !== phase) return;
    const problem = unavailableReason(phase, reason, delayMs);
    // The daemon itself is a client of the global instance, and its own callers want an answer.
    const waits = phase === 'backing_off' && isSoon(delayMs) && spec.kind === 'user';
    driver.explain(port, problem, waits ? 'later' : 'now');
  } catch (error) {
    log.warn({ instance: spec.name }, `cannot answer its clients on port ${port}: ${messageOf(error)}`);
  }
}

/** What clients of an instance get. It contains no details of the host: those are for administrators. */
export function unavailableReason(
  phase: IdlePhase,
  reason: PhaseReason | null,
  delayMs: number,
): Unavailable {
  const isAway = reason?.code === 'archive_unavailable';
  return {
    code: reason?.code ?? phase,
    message: isAway ? AWAY : MESSAGES[phase],
    retryAfterS: phase === 'backing_off' ? Math.max(1, Math.ceil(delayMs / 1000)) : null,
  };
}
