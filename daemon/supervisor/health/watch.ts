import type { PhaseReason } from '../../../shared/api/instances.ts';
import { connectHost } from '../../../shared/host.ts';
import type { EndedBy } from '../../../shared/instance.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { exitReason } from '../../pocketbase/process/exit-reason.ts';
import type { Prober } from '../../pocketbase/process/probe.ts';
import { type ProcessExit, watchExit } from '../../pocketbase/process/process-driver.ts';
import type { InstanceFiles } from '../instance-files.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import type { InstanceState } from '../instance-state.ts';
import { STABLE_AFTER_MS } from '../restart-policy.ts';
import { endOfLog, lastLines } from '../start/last-lines.ts';
import type { Running } from '../start/launch.ts';
import { endHung, noteProbe } from './hung.ts';
import { watchLiveness } from './liveness.ts';

export interface WatchDeps {
  clock: Clock;
  random: () => number;
  log: Logger;
  files: InstanceFiles;
  probe: Prober;
  healthIntervalMs: number;
}

/** A run that ended though nobody asked for it, or never began. */
export interface RunFailure {
  reason: PhaseReason;
  /** Null when there was no process. */
  exit: ProcessExit | null;
  endedBy: Exclude<EndedBy, 'request'>;
  /** From its first good answer to its end, or to its last good answer when it hung. */
  uptimeMs: number;
}

/**
 * From the first good answer until the process is gone, hung, or `command` aborts.
 *
 * @param launchedOn the database file that it was started on; null where that is not known
 * @returns null when a command came first: the process still runs
 */
export async function watchRun(
  { process, port, startedAt, probe, limitation }: Running,
  launchedOn: string | null,
  spec: InstanceSpec,
  state: InstanceState,
  deps: WatchDeps,
  command: AbortSignal,
): Promise<RunFailure | null> {
  const { clock } = deps;
  const runSince = clock.monotonic();
  let goodUntil = runSince;
  let why: PhaseReason | null = null;
  const logStart = await endOfLog(spec.log);
  state.enter('running', limitation, { pid: process.pid, port, startedAt });
  state.recordProbe(probe);
  spec.onPort(port);

  const gone = watchExit(process);
  const ended = AbortSignal.any([command, gone.signal]);
  if (state.observed.attempt > 0) void forgetOnceStable(state, clock, ended);
  const verdict = await watchLiveness(
    {
      host: connectHost(spec.host),
      port,
      intervalMs: deps.healthIntervalMs,
      authorization: spec.probeAuthorization,
      probe: deps.probe,
      clock,
      random: deps.random,
      inspect: deps.files.inspector(spec, process.pid, launchedOn),
      unresponsiveReason: () => deps.files.unresponsiveReason(process.pid),
      atOnce: state.observed.attempt > 0,
      onProbe: (result, failures, reason) => {
        if (failures === 0) goodUntil = clock.monotonic();
        why = reason;
        noteProbe(state, { probe: result, failures, reason: reason ?? limitation }, deps.log);
      },
    },
    ended,
  );
  // A run that hung was as long as it gave good answers: one that never did is no stable one.
  const uptimeMs = (verdict === 'unresponsive' ? goodUntil : clock.monotonic()) - runSince;
  const exit = gone.exit();
  if (verdict === 'unresponsive') {
    const hung = await endHung(process, { why, probe: state.probe }, spec, state, deps, command);
    return hung && { ...hung, endedBy: 'fathomd', uptimeMs };
  }
  if (!exit) return null;
  // Whoever was killed had no time to say why; only an exit of its own leaves its reason in the log.
  const lines = exit.signal === null ? await lastLines(spec.log, logStart) : [];
  return { reason: exitReason(exit, lines, spec), exit, endedBy: null, uptimeMs };
}

/** Not until the next failure: whoever looks at it sees no trouble that is over. */
async function forgetOnceStable(state: InstanceState, clock: Clock, ended: AbortSignal): Promise<void> {
  await clock.sleep(STABLE_AFTER_MS, ended);
  if (!ended.aborted && state.phase === 'running') state.note({ attempt: 0, maxAttempts: null });
}
