import type { Instance, LastExit } from '../../../shared/api/instances.ts';
import { crashRate, isCrashLoop } from '../../../shared/crashes.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { ruleOf } from '../../../shared/reasons.ts';
import { longDuration, shortDuration, since } from './format.ts';

/** Worst first; `ok` is not a problem. */
export const SEVERITIES = ['down', 'impaired', 'recovering', 'slow', 'recovered', 'ok'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Milliseconds after which a start, a stop or a wait for a start slot is reported as slow. */
const SLOW_AFTER = 30_000;
/** Failures in a row from which on the next start is not expected to help. */
const DOWN_FROM = 3;
/** Milliseconds for which a crash is shown after the instance runs again. */
const RECOVERED_FOR = 120_000;

const PHASE_TEXTS: Readonly<Record<InstancePhase, string>> = {
  stopped: 'stopped',
  queued: 'queued',
  starting: 'starting',
  running: 'running',
  unresponsive: 'unresponsive',
  backing_off: 'backing off',
  stopping: 'stopping',
  asleep: 'asleep',
  waking: 'waking',
  failed: 'failed',
};

export function phaseText(phase: InstancePhase): string {
  return PHASE_TEXTS[phase];
}

export function severityOf(instance: Instance, now: number): Severity {
  switch (instance.phase) {
    case 'failed':
      return 'down';
    case 'unresponsive':
      return 'impaired';
    case 'backing_off':
      return instance.attempt >= DOWN_FROM ? 'down' : 'recovering';
    case 'stopped':
      return instance.desired === 'running' ? 'recovering' : 'ok';
    case 'queued':
    case 'starting':
    case 'stopping':
    case 'waking':
      if (isCrashLoop(instance.crashes)) return 'recovering';
      return since(instance.since, now) > SLOW_AFTER ? 'slow' : 'ok';
    case 'asleep':
      return 'ok';
    case 'running':
      if (isLimited(instance)) return 'impaired';
      return crashedRecently(instance, now) ? 'recovered' : 'ok';
  }
}

/**
 * Why an instance is not running normally, in one line that starts with its phase:
 * `backing off 8 s · exit 1 · address in use · attempt 4/10`. Null if there is nothing to explain.
 */
export function reasonLine(instance: Instance, now: number): string | null {
  const { reason, phase } = instance;
  const text = reason === null ? null : ruleOf(reason.code).text;
  const duration = shortDuration(since(instance.since, now));
  switch (phase) {
    case 'failed':
      return join(
        `failed ${duration} ago`,
        exitText(instance.last_exit),
        text ?? detail(instance),
        attempts(instance),
      );
    case 'backing_off':
      return join(backingOff(instance, now), exitText(instance.last_exit), text, attempts(instance));
    case 'unresponsive':
      return join(`unresponsive for ${duration}`, reason?.message ?? instance.probe?.error);
    case 'queued':
      return join('queued for a start slot', exitText(instance.last_exit), text, attempts(instance));
    case 'starting':
      return join(`starting for ${duration}`, exitText(instance.last_exit), text, attempts(instance));
    case 'waking':
      return `waking for ${duration}`;
    case 'asleep':
      return join(`asleep for ${duration}`, text);
    case 'stopping':
      return `stopping for ${duration}`;
    case 'stopped':
      if (instance.desired === 'running') return join('stopped, but should run', text);
      return reason === null || reason.code === 'requested' ? null : join('stopped', text ?? reason.message);
    case 'running':
      return runningReason(instance, now);
  }
}

/** The reason without times, counts, names and ports, so that it is equal for instances with the same cause. */
export function causeOf(instance: Instance): string {
  const { phase, reason, last_exit: exit, probe } = instance;
  const text = reason === null ? null : (ruleOf(reason.code).text ?? detail(instance));
  const probeText = probe !== null && !probe.ok ? `probe fails: ${probe.error ?? 'no response'}` : null;
  const cause = text ?? (phase === 'running' || phase === 'unresponsive' ? probeText : null);
  return join(phaseText(phase), exitText(exit), cause === null ? null : withoutOwnValues(cause, instance));
}

function withoutOwnValues(text: string, { name, port, pid }: Instance): string {
  return text
    .replaceAll(name, '…')
    .replace(/\d+/g, (digits) => (digits === String(port) || digits === String(pid) ? '…' : digits))
    .replace(/\b\d+(?:\.\d+)? ?(?:ms|s|m|h)\b/g, '…');
}

function runningReason(instance: Instance, now: number): string | null {
  const { probe, reason, last_exit: exit } = instance;
  if (reason?.code === 'crashing')
    return join('running, but', ruleOf(reason.code).text, exitText(exit), rate(instance));
  if (reason !== null && isLimited(instance)) return join('running, but', ruleOf(reason.code).text);
  if (probe !== null && !probe.ok) return join('running, but its probe fails', probe.error);
  if (exit === null || !crashedRecently(instance, now)) return null;
  return join(
    `running again, died ${shortDuration(since(exit.at, now))} ago`,
    exitText(exit),
    instance.reason === null ? null : ruleOf(instance.reason.code).text,
    `restart ${instance.restarts}`,
  );
}

/** Whether a running instance does not work normally: its probe fails, or the daemon reports a reason. */
function isLimited({ probe, reason }: Instance): boolean {
  return (probe !== null && !probe.ok) || reason !== null;
}

function crashedRecently({ last_exit: exit }: Instance, now: number): boolean {
  return exit !== null && exit.ended_by !== 'request' && since(exit.at, now) < RECOVERED_FOR;
}

function backingOff(instance: Instance, now: number): string {
  const due = instance.next_attempt_at === null ? Number.NaN : Date.parse(instance.next_attempt_at);
  if (Number.isNaN(due)) return 'backing off';
  const left = due - now;
  return left > 0 ? `backing off ${longDuration(left)}` : 'backing off, due now';
}

export function exitText(exit: LastExit | null): string | null {
  if (exit === null || exit.ended_by === 'request') return null;
  // The signal is not interesting: the daemon sent it.
  if (exit.ended_by === 'fathomd') return 'ended by fathomd';
  if (exit.signal !== null) return exit.signal;
  return exit.code === null ? null : `exit ${exit.code}`;
}

function detail({ reason }: Instance): string | null {
  if (reason === null || reason.code === 'exited' || reason.code === 'killed') return null;
  return reason.message;
}

function rate({ crashes }: Instance): string | null {
  return isCrashLoop(crashes) ? crashRate(crashes) : null;
}

/** The attempts of a crash loop without an end say less than its rate. */
function attempts(instance: Instance): string | null {
  const { attempt, max_attempts: most } = instance;
  if (attempt === 0) return null;
  const crashed = rate(instance);
  if (crashed !== null && most === null) return crashed;
  return most === null ? `attempt ${attempt}` : `attempt ${attempt}/${most}`;
}

function join(...parts: readonly (string | null | undefined)[]): string {
  return parts.filter((part) => part !== null && part !== undefined && part !== '').join(' · ');
}
