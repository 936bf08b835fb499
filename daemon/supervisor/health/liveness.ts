import type { PhaseReason, Probe } from '../../../shared/api/instances.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { DataState } from '../../pocketbase/data/data-state.ts';
import { LIVENESS_PATH, type Prober, READINESS_PATH } from '../../pocketbase/process/probe.ts';

/** Failed probes in a row after which an instance counts as hung and is replaced. */
export const UNRESPONSIVE_AFTER = 3;
/** A probe waits as long as the interval, within these bounds: who asks often wants to know soon. */
const PROBE_TIMEOUT_MS = { least: 2_000, most: 5_000 };
/** After a failed probe the next one does not wait for the whole interval. */
const SUSPICIOUS_INTERVAL_MS = 3_000;
/** Probes of a second are made together: waking up for each alone takes the daemon three times as long. */
const TOGETHER_MS = 1_000;

export interface LivenessOptions {
  host: string;
  port: number;
  intervalMs: number;
  /** Null probes only whether the process serves. */
  authorization: (() => Promise<string>) | null;
  probe: Prober;
  clock: Clock;
  random: () => number;
  /** Looks at the instance's files, without PocketBase. */
  inspect: () => Promise<DataState>;
  /** Why the process may be silent. */
  unresponsiveReason: () => Promise<PhaseReason | null>;
  /** The first probe does not wait: the run before this one failed. */
  atOnce: boolean;
  /** `failures` in a row up to this probe, 0 when it was good; what is known of the cause, or of what does not work. */
  onProbe: (probe: Probe, failures: number, reason: PhaseReason | null) => void;
}

/** Errors of a connection that are the daemon's own trouble, and say nothing of the instance. */
const OWN_TROUBLE: ReadonlySet<string | null> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'EADDRNOTAVAIL']);
const OUT_OF_FILES: PhaseReason = {
  code: 'out_of_files',
  message:
    'the daemon has no file descriptors left to look after it; raise its LimitNOFILE, or restart the daemon: instances run on',
};

/** Probes until the instance has failed too often in a row, or the signal aborts. */
export async function watchLiveness(
  options: LivenessOptions,
  signal: AbortSignal,
): Promise<'unresponsive' | 'aborted'> {
  const { clock, intervalMs } = options;
  const timeoutMs = Math.min(PROBE_TIMEOUT_MS.most, Math.max(PROBE_TIMEOUT_MS.least, intervalMs));
  let failures = 0;
  // A random first wait spreads the probes of a fleet that was started together.
  let waitMs = options.atOnce ? 0 : untilTogether(clock, intervalMs * options.random());
  for (;;) {
    await clock.sleep(waitMs, signal);
    if (signal.aborted) return 'aborted';
    const data = await options.inspect();
    const { result, noAccess } = data.broken
      ? {
          result: { at: clock.now().toISOString(), ok: false, latency_ms: 0, error: data.broken.message },
          noAccess: null,
        }
      : await ask(options, timeoutMs, signal);
    if (signal.aborted) return 'aborted';
    const isOwnTrouble = OWN_TROUBLE.has(result.error);
    if (!isOwnTrouble) failures = result.ok ? 0 : failures + 1;
    let reason = data.broken ?? (isOwnTrouble ? OUT_OF_FILES : (data.limited ?? noAccess));
    if (!result.ok && !data.broken && !isOwnTrouble)
      reason = (await options.unresponsiveReason()) ?? data.limited;
    if (signal.aborted) return 'aborted';
    options.onProbe(result, failures, reason);
    if (failures >= UNRESPONSIVE_AFTER) return 'unresponsive';
    waitMs = untilTogether(clock, result.ok ? intervalMs : Math.min(intervalMs, SUSPICIOUS_INTERVAL_MS));
  }
}

/** About `ms`, until the moment at which the other instances' probes of that second are made too. */
function untilTogether(clock: Clock, ms: number): number {
  const now = clock.monotonic();
  return Math.max(0, Math.round((now + ms) / TOGETHER_MS) * TOGETHER_MS - now);
}

/** `noAccess` says why the probe could only ask whether the process serves, where waiting would not help. */
async function ask(
  options: LivenessOptions,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<{ result: Probe; noAccess: PhaseReason | null }> {
  const { host, port, probe, clock } = options;
  let authorization: string | null = null;
  let noAccess: PhaseReason | null = null;
  try {
    authorization = options.authorization ? await tokenOf(options.authorization, clock, timeoutMs) : null;
  } catch (error) {
    noAccess = withoutSecret(error);
  }
  const what =
    authorization === null ? { path: READINESS_PATH } : { path: LIVENESS_PATH, headers: { authorization } };
  return { result: await probe({ host, port, ...what }, { clock, timeoutMs, signal }), noAccess };
}

/** Null for what passes, as when the control plane is away. */
function withoutSecret(error: unknown): PhaseReason | null {
  if (!(error instanceof FathomError) || error.code !== 'secret.undecryptable') return null;
  return {
    code: 'secret_undecryptable',
    message: `it serves its owner, but Fathom cannot sign in: ${error.message}; put it back as AES_MASTER_KEY (or AES_PREVIOUS_MASTER_KEY) and restart the daemon`,
  };
}

/** Null when there is none to be had in time: then the probe asks only whether the process serves. */
async function tokenOf(
  authorization: () => Promise<string>,
  clock: Clock,
  timeoutMs: number,
): Promise<string | null> {
  const enough = new AbortController();
  try {
    return await Promise.race([authorization(), clock.sleep(timeoutMs, enough.signal).then(() => null)]);
  } finally {
    // A reason given spares making one, with its stack, at each probe.
    enough.abort('answered');
  }
}
