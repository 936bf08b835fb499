import type { PhaseReason } from '../../../shared/api/instances.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import { messageOf } from '../../../shared/errors.ts';
import { connectHost } from '../../../shared/host.ts';
import type { EndedBy } from '../../../shared/instance.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { exitReason } from '../../pocketbase/process/exit-reason.ts';
import type { Prober } from '../../pocketbase/process/probe.ts';
import {
  type InstanceProcess,
  type ProcessExit,
  watchExit,
} from '../../pocketbase/process/process-driver.ts';
import type { InstanceFiles } from '../instance-files.ts';
import { endOfLog, lastLines } from '../instance-logs.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import type { InstanceState } from '../instance-state.ts';
import { STABLE_AFTER_MS } from '../restart-policy.ts';
import type { Running } from '../start/launch.ts';
import { endProcess } from '../start/terminate.ts';
import { endHungProcess, recordProbeResult } from './hung.ts';
import { watchLiveness } from './liveness.ts';
import type { MemoryGuard, MemoryWatch } from './memory-guard.ts';

export interface WatchDeps {
  clock: Clock;
  random: () => number;
  log: Logger;
  files: InstanceFiles;
  probe: Prober;
  healthIntervalMs: number;
  memory: MemoryGuard;
}

/** Probes do not count as use. */
export interface UseOfProcess {
  withoutUse(probe: Prober): Prober;
}

/** An unexpected end of a run, or a failed start. */
export interface RunFailure {
  reason: PhaseReason;
  /** Null when there was no process. */
  exit: ProcessExit | null;
  endedBy: Exclude<EndedBy, 'request'>;
  /** From the first successful probe to the exit; of a hung process, to its last successful probe. */
  uptimeMs: number;
}

/**
 * Watches a running process until it exits, hangs, or `command` aborts.
 *
 * @param launchedOn identity of the database file that it was started on; null when it is unknown
 * @returns null when `command` aborted first: the process still runs
 */
export async function watchRun(
  { process, binary, port, startedAt, probe, limitation }: Running,
  launchedOn: string | null,
  spec: InstanceSpec,
  state: InstanceState,
  deps: WatchDeps & { use: UseOfProcess },
  command: AbortSignal,
): Promise<RunFailure | null> {
  const { clock } = deps;
  const runSince = clock.monotonic();
  let goodUntil = runSince;
  let why: PhaseReason | null = null;
  const logStart = await endOfLog(spec.log);
  state.enter('running', limitation, { pid: process.pid, sandbox: process.sandbox, binary, port, startedAt });
  state.recordProbe(probe);
  spec.onPort(port);

  const exitWatch = watchExit(process);
  using memory = deps.memory.watch(process.pid, limitInForce(process, spec, deps.log));
  // At once, because it grows until its end.
  memory.exceeded.addEventListener('abort', () => process.signal('SIGSTOP'));
  const ended = AbortSignal.any([command, exitWatch.signal, memory.exceeded]);
  if (state.observed.attempt > 0) void resetAttemptsOnceStable(state, clock, ended);
  const verdict = await watchLiveness(
    {
      host: connectHost(spec.host),
      port,
      intervalMs: deps.healthIntervalMs,
      authorization: spec.probeAuthorization,
      probe: deps.use.withoutUse(deps.probe),
      clock,
      random: deps.random,
      inspect: deps.files.inspector(spec, process.pid, launchedOn),
      unresponsiveReason: () => deps.files.unresponsiveReason(process.pid),
      atOnce: state.observed.attempt > 0,
      onProbe: (result, failures, reason) => {
        if (failures === 0) goodUntil = clock.monotonic();
        why = reason;
        recordProbeResult(state, { probe: result, failures, reason: reason ?? limitation }, deps.log);
      },
    },
    ended,
  );
  // The time of a hung run counts only up to its last successful probe, so that it does not count as stable.
  const uptimeMs = (verdict === 'unresponsive' ? goodUntil : clock.monotonic()) - runSince;
  const exit = exitWatch.exit();
  if (verdict === 'unresponsive') {
    const hung = await endHungProcess(process, { why, probe: state.probe }, spec, state, deps, command);
    return hung && { ...hung, endedBy: 'fathomd', uptimeMs };
  }
  if (!exit && memory.exceeded.aborted) {
    const killed = await endProcess(process, spec.directory, deps, { graceMs: 0, stopSaving: command });
    return killed && { reason: overMemory(memory, spec), exit: killed.exit, endedBy: 'fathomd', uptimeMs };
  }
  if (!exit) return null;
  // A killed process could not log a reason.
  const lines = exit.signal === null ? await lastLines(spec.log, logStart) : [];
  return { reason: exitReason(exit, lines, spec), exit, endedBy: null, uptimeMs };
}

/** Returns the limit in force, and sets it in the kernel when it has changed. */
function limitInForce(process: InstanceProcess, spec: InstanceSpec, log: Logger): () => number | null {
  let inKernel: number | null | undefined;
  return () => {
    const limit = spec.limits().memory_bytes;
    if (limit === inKernel) return limit;
    inKernel = limit;
    process.limitMemory?.(limit).catch((error: unknown) => {
      log.warn(
        { instance: spec.name },
        `the kernel does not limit the memory of the instance: ${messageOf(error)}`,
      );
    });
    return limit;
  };
}

function overMemory({ bytes }: MemoryWatch, spec: InstanceSpec): PhaseReason {
  const { name } = spec;
  const limit = byteSize(spec.limits().memory_bytes ?? 0);
  return {
    code: 'over_memory',
    message: `it used ${byteSize(bytes)} of memory and its limit is ${limit}, so the process was ended; find the requests with 'fathomd logs ${name} --source requests', or raise the limit with 'fathomd databases set ${name} --memory-mb N'`,
  };
}

/** Resets the count of failed attempts in the status when the run is stable. */
async function resetAttemptsOnceStable(
  state: InstanceState,
  clock: Clock,
  ended: AbortSignal,
): Promise<void> {
  await clock.sleep(STABLE_AFTER_MS, ended);
  if (!ended.aborted && state.phase === 'running') state.update({ attempt: 0, maxAttempts: null });
}
