import type { InstancePhase } from '../../../shared/instance.ts';

/** The phases that `systemctl status` shows besides `running`, in order of severity. */
const SHOWN: readonly InstancePhase[] = [
  'failed',
  'unresponsive',
  'backing_off',
  'queued',
  'starting',
  'waking',
  'stopping',
  'asleep',
  'stopped',
];

/** `3 of 4 instances running; 1 failed` */
export function statusLine(counts: Readonly<Record<InstancePhase, number>>): string {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const others = SHOWN.filter((phase) => counts[phase] > 0).map(
    (phase) => `${counts[phase]} ${phase.replace('_', ' ')}`,
  );
  return [`${counts.running} of ${total} instances running`, ...others].join('; ');
}
