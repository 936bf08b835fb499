import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import type { PhaseReasonCode } from '../../../shared/reasons.ts';
import type { Logger } from '../../base/log/log.ts';
import type { InstanceProcess, ProcessExit } from '../../pocketbase/process/process-driver.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import type { InstanceState } from '../instance-state.ts';
import { type EndDeps, endProcess, HUNG_GRACE_MS } from '../start/terminate.ts';
import { UNRESPONSIVE_AFTER } from './liveness.ts';

/** The open files of a process are damaged, or are not the files on the disk. */
const FILE_PROBLEMS: ReadonlySet<PhaseReasonCode> = new Set([
  'data_dir_missing',
  'data_dir_replaced',
  'database_corrupt',
]);

/** Updates the state of a running instance from a probe: running, running with a limitation, or unresponsive. */
export function recordProbeResult(
  state: InstanceState,
  { probe, failures, reason }: { probe: Probe; failures: number; reason: PhaseReason | null },
  log: Logger,
): void {
  state.recordProbe(probe);
  if (failures > 0) {
    const message = `probe ${failures}/${UNRESPONSIVE_AFTER} failed: ${describeFailure(probe, reason)}`;
    state.enter('unresponsive', { code: reason?.code ?? 'unresponsive', message });
    return;
  }
  if (state.phase !== 'unresponsive' && state.reason?.code === reason?.code) return;
  state.enter('running', reason);
  const { name } = state.view();
  if (reason) log.warn({ instance: name, reason: reason.code }, reason.message);
  else log.info({ instance: name }, 'the instance works normally again');
}

/**
 * Ends a process whose probes failed too often.
 *
 * @returns null when `command` aborted before its files could be saved
 */
export async function endHungProcess(
  process: InstanceProcess,
  { why, probe }: { why: PhaseReason | null; probe: Probe | null },
  spec: InstanceSpec,
  state: InstanceState,
  deps: EndDeps,
  command: AbortSignal,
): Promise<{ exit: ProcessExit; reason: PhaseReason } | null> {
  const ended = await endProcess(process, spec.directory, deps, {
    graceMs: HUNG_GRACE_MS,
    onSaveFailed: (reason) => state.enter('unresponsive', reason),
    stopSaving: command,
  });
  if (!ended) return null;
  const { exit, rescued } = ended;
  const saved = rescued === null ? '' : `; its files were saved to ${rescued}`;
  if (why !== null && FILE_PROBLEMS.has(why.code)) {
    return { exit, reason: { code: why.code, message: `${why.message}${saved}` } };
  }
  const message = `${UNRESPONSIVE_AFTER} probes in a row failed (${describeFailure(probe, why)}), so the process was ended${saved}`;
  return { exit, reason: { code: why?.code ?? 'unresponsive', message } };
}

function describeFailure(probe: Probe | null, why: PhaseReason | null): string {
  const error = probe?.error ?? '';
  return why === null || why.message === error ? error : `${error}; ${why.message}`;
}
