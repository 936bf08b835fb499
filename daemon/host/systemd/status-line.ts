import type { InstancePhase } from '../../../shared/instance.ts';

/** The phases that somebody should hear of by `systemctl status`, the worst first. */
const TOLD: readonly InstancePhase[] = [
  'failed',
  'unresponsive',
  'backing_off',
  'queued',
  'starting',
  'stopping',
  'stopped',
];

/** `3 of 4 instances run; 1 failed` */
export function statusLine(counts: Readonly<Record<InstancePhase, number>>): string {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const others = TOLD.filter((phase) => counts[phase] > 0).map(
    (phase) => `${counts[phase]} ${phase.replace('_', ' ')}`,
  );
  return [`${counts.running} of ${total} instances run`, ...others].join('; ');
}
