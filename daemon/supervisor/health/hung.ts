import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import type { PhaseReasonCode } from '../../../shared/reasons.ts';
import type { Logger } from '../../base/log/log.ts';
import type { InstanceProcess, ProcessExit } from '../../pocketbase/process/process-driver.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import type { InstanceState } from '../instance-state.ts';
import { type EndDeps, endProcess, HUNG_GRACE_MS } from '../start/terminate.ts';
import { UNRESPONSIVE_AFTER } from './liveness.ts';

/** What a process serves from is not what lies on the disk, or is damaged. */
const FILES_ARE_WRONG: ReadonlySet<PhaseReasonCode> = new Set([
  'data_dir_missing',
  'data_dir_replaced',
  'database_corrupt',
]);

/** What a probe says of an instance that runs: that all is well, what does not work, or that it is to be suspected. */
export function noteProbe(
  state: InstanceState,
  { probe, failures, reason }: { probe: Probe; failures: number; reason: PhaseReason | null },
  log: Logger,
): void {
  state.recordProbe(probe);
  if (failures > 0) {
    const message = `probe ${failures}/${UNRESPONSIVE_AFTER} failed: ${whatFailed(probe, reason)}`;
    state.enter('unresponsive', { code: reason?.code ?? 'unresponsive', message });
    return;
  }
  if (state.phase !== 'unresponsive' && state.reason?.code === reason?.code) return;
  state.enter('running', reason);
  const { name } = state.view();
  if (reason) log.warn({ instance: name, reason: reason.code }, reason.message);
  else log.info({ instance: name }, 'all is well with it again');
}

/**
 * Ends a process whose probes failed too often.
 *
 * @returns null when its files could not be saved before `command` aborted
 */
export async function endHung(
  process: InstanceProcess,
  { why, probe }: { why: PhaseReason | null; probe: Probe | null },
  spec: InstanceSpec,
  state: InstanceState,
  deps: EndDeps,
  command: AbortSignal,
): Promise<{ exit: ProcessExit; reason: PhaseReason } | null> {
  const ended = await endProcess(process, spec.directory, deps, {
    graceMs: HUNG_GRACE_MS,
    onUnsaved: (reason) => state.enter('unresponsive', reason),
    patience: command,
  });
  if (!ended) return null;
  const { exit, rescued } = ended;
  const saved = rescued === null ? '' : `; what it had was saved to ${rescued}`;
  if (why !== null && FILES_ARE_WRONG.has(why.code)) {
    return { exit, reason: { code: why.code, message: `${why.message}${saved}` } };
  }
  const message = `gave no good answer to ${UNRESPONSIVE_AFTER} probes in a row (${whatFailed(probe, why)}), so it was ended${saved}`;
  return { exit, reason: { code: why?.code ?? 'unresponsive', message } };
}

function whatFailed(probe: Probe | null, why: PhaseReason | null): string {
  const error = probe?.error ?? '';
  return why === null || why.message === error ? error : `${error}; ${why.message}`;
}
