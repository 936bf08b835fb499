import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Clock } from '../base/time/clock.ts';
import type { ProcessExit } from '../pocketbase/process/process-driver.ts';
import { afterExit } from './crash-series.ts';
import type { InstanceState, Observed } from './instance-state.ts';
import { type Decision, decideAfterFailure, type Failure, type RestartSettings } from './restart-policy.ts';

interface FailureOfRun extends Pick<Failure, 'uptimeMs' | 'kind' | 'hasServed'> {
  reason: PhaseReason;
  /** Null when there was no process. */
  exit: ProcessExit | null;
}

type Counts = Pick<Observed, 'attempt' | 'maxAttempts' | 'restarts' | 'crashes'>;

/** What follows the end of a run or a failed start, and the counts with it. */
export function countFailure(
  { reason: previous, observed }: InstanceState,
  { exit, reason, ...failure }: FailureOfRun,
  {
    clock,
    settings,
    random,
  }: { clock: Clock; settings: { restarts: RestartSettings }; random: () => number },
): { decision: Decision; counted: Counts } {
  const { attempt, restarts, crashes } = observed;
  const previousReason = previous?.code ?? null;
  const failed = { ...failure, reason: reason.code, attempt, previousReason };
  const decision = decideAfterFailure(failed, settings.restarts, random);
  const series = exit ? afterExit(crashes, { at: clock.now(), uptimeMs: failure.uptimeMs, reason }) : crashes;
  const { attempt: next, maxAttempts } = decision;
  return {
    decision,
    counted: { attempt: next, maxAttempts, restarts: restarts + (exit ? 1 : 0), crashes: series },
  };
}
