import type { InstancePhase } from '../../shared/instance.ts';

/** The setting METRICS_DATABASES. */
export type MetricsDatabases = 'awake' | 'all' | 'none';

/**
 * Whether an instance has series of its own. Most of thousands of databases sleep or are stopped, and their series would say
 * nothing else. One that should run and does not has series, so that alerts name it.
 */
export function hasOwnSeries(
  instance: {
    kind: 'global' | 'user';
    phase: InstancePhase;
    desired: 'running' | 'stopped';
    pid: number | null;
  },
  setting: MetricsDatabases,
): boolean {
  if (instance.kind === 'global' || setting === 'all') return true;
  if (setting === 'none') return false;
  return instance.pid !== null || (instance.desired === 'running' && instance.phase !== 'asleep');
}
