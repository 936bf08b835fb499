import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { DataState } from '../../pocketbase/data/data-state.ts';
import { LIVENESS_PATH, type Prober, READINESS_PATH } from '../../pocketbase/process/probe.ts';

/** The number of failed probes in a row after which an instance is replaced. */
export const UNRESPONSIVE_AFTER = 3;
/** The timeout of a probe is the interval, within these limits. */
const PROBE_TIMEOUT_MS = { min: 2_000, max: 5_000 };
/** The interval after a failed probe. */
const SUSPICIOUS_INTERVAL_MS = 3_000;
/** All probes of one second are sent together: separate wake-ups take three times as much processor time. */
const BATCH_MS = 1_000;

export interface LivenessOptions {
  host: string;
  port: number;
  intervalMs: number;
  /** Null only probes whether the process serves. */
  authorization: (() => string | Promise<string>) | null;
  probe: Prober;
  clock: Clock;
  random: () => number;
  /** Checks the files of the instance. */
  inspect: () => Promise<DataState>;
  /** Why the process may not respond. */
  unresponsiveReason: () => Promise<PhaseReason | null>;
  /** Sends the first probe at once: the previous run failed. */
  atOnce: boolean;
  /**
   * Called after each probe.
   *
   * @param failures number of failed probes in a row including this one; 0 after a success
   * @param reason of the failure, or of a limitation of the instance
   */
  onProbe: (probe: Probe, failures: number, reason: PhaseReason | null) => void;
}

/** Connection errors of the daemon itself, which say nothing about the instance. */
const OWN_ERRORS: ReadonlySet<string | null> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL']);
const OUT_OF_FILES: PhaseReason = {
  code: 'out_of_files',
  message:
    'the daemon has no file descriptors left to probe the instance; raise its LimitNOFILE, or restart the daemon: instances keep running',
};

/** Probes until too many probes in a row have failed, or the signal aborts. */
export async function watchLiveness(
  options: LivenessOptions,
  signal: AbortSignal,
): Promise<'unresponsive' | 'aborted'> {
  const { clock, intervalMs } = options;
  const timeoutMs = Math.min(PROBE_TIMEOUT_MS.max, Math.max(PROBE_TIMEOUT_MS.min, intervalMs));
  let failures = 0;
  // A random first wait spreads the probes of instances that were started together.
  let waitMs = options.atOnce ? 0 : waitForBatch(clock, intervalMs * options.random());
  for (;;) {
    await clock.sleep(waitMs, signal);
    if (signal.aborted) return 'aborted';
    const data = await options.inspect();
    const { result, noAccess } = data.broken
      ? {
          result: { at: clock.now().toISOString(), ok: false, latency_ms: 0, error: data.broken.message },
          noAccess: null,
        }
      : await sendProbe(options, timeoutMs, signal);
    if (signal.aborted) return 'aborted';
    const isOwnError = OWN_ERRORS.has(result.error);
    if (!isOwnError) failures = result.ok ? 0 : failures + 1;
    let reason = data.broken ?? (isOwnError ? OUT_OF_FILES : (data.limited ?? noAccess));
    if (!result.ok && !data.broken && !isOwnError)
      reason = (await options.unresponsiveReason()) ?? data.limited;
    if (signal.aborted) return 'aborted';
    options.onProbe(result, failures, reason);
    if (failures >= UNRESPONSIVE_AFTER) return 'unresponsive';
    waitMs = waitForBatch(clock, result.ok ? intervalMs : Math.min(intervalMs, SUSPICIOUS_INTERVAL_MS));
  }
}

/** The milliseconds to the batch of probes that is closest to `ms` from now. */
function waitForBatch(clock: Clock, ms: number): number {
  const now = clock.monotonic();
  return Math.max(0, Math.round((now + ms) / BATCH_MS) * BATCH_MS - now);
}

/** @returns `noAccess`: why the probe could not read the database, if that is permanent */
async function sendProbe(
  options: LivenessOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ result: Probe; noAccess: PhaseReason | null }> {
  const { host, port, probe, clock } = options;
  let authorization: string | null = null;
  let noAccess: PhaseReason | null = null;
  try {
    authorization = options.authorization ? await getToken(options.authorization, clock, timeoutMs) : null;
  } catch (error) {
    noAccess = accessProblem(error);
  }
  const request =
    authorization === null ? { path: READINESS_PATH } : { path: LIVENESS_PATH, headers: { authorization } };
  return { result: await probe({ host, port, ...request }, { clock, timeoutMs, signal }), noAccess };
}

/** Null for a temporary error, for example when the control plane is not available. */
function accessProblem(error: unknown): PhaseReason | null {
  if (!(error instanceof FathomError) || error.code !== 'secret.undecryptable') return null;
  return {
    code: 'secret_undecryptable',
    message: `the owner can use the instance, but Fathom cannot sign in: ${error.message}; set that key as AES_MASTER_KEY (or AES_PREVIOUS_MASTER_KEY) and restart the daemon`,
  };
}

/** The token; null after the timeout. The probe then only checks whether the process serves. */
async function getToken(
  authorization: () => string | Promise<string>,
  clock: Clock,
  timeoutMs: number,
): Promise<string | null> {
  const token = authorization();
  if (typeof token === 'string') return token;
  const done = new AbortController();
  try {
    return await Promise.race([token, clock.sleep(timeoutMs, done.signal).then(() => null)]);
  } finally {
    // With a reason, no error with a stack is created at each probe.
    done.abort('done');
  }
}
