import type { DaemonUsage } from './api/daemon.ts';
import type { Instance } from './api/instances.ts';
import { byteSize } from './byte-size.ts';

/** The fraction of its memory limit from which on an instance is reported. */
const CLOSE_TO_LIMIT = 0.8;
/** The fraction of the memory of the host from which on an instance without a limit is reported. */
const LARGE_SHARE = 0.2;
/** The fraction of all processors, and at least the percent of one core, from which on an instance is reported. */
const PROCESSOR_SHARE = 0.25;
const MIN_CPU_PERCENT = 80;

/** The resources of the host; null where they are unknown. */
export interface HostResources {
  memory_total_bytes: number | null;
  processors: number | null;
}

export function hostResources(
  usage: Pick<DaemonUsage, 'memory_total_bytes' | 'processors'> | null,
): HostResources {
  // A daemon of an earlier release does not report them.
  return {
    memory_total_bytes: usage?.memory_total_bytes ?? null,
    processors: usage?.processors ?? null,
  };
}

export interface ResourceProblem {
  kind: 'memory_limit' | 'memory_share' | 'cpu';
  /** What the instance uses and what to do, without its name in front. */
  text: string;
}

/** Why an instance may disturb others or be ended soon because of what it uses; null when it uses little. */
export function resourceProblem(
  { name, kind, pid, usage, limits }: Pick<Instance, 'name' | 'kind' | 'pid' | 'usage' | 'limits'>,
  host: HostResources,
): ResourceProblem | null {
  // The global instance has no limit, and the usage of an ended process is outdated.
  if (kind === 'global' || pid === null || usage === null) return null;
  const { pss_bytes: used, sustained_cpu_percent: cpu } = usage;
  const { memory_bytes: limit } = limits;
  if (used !== null && limit !== null && used >= limit * CLOSE_TO_LIMIT) {
    return {
      kind: 'memory_limit',
      text: `uses ${byteSize(used)} of its ${byteSize(limit)} of memory and is ended above that; raise the limit with 'fathomd databases set ${name} --memory-mb N'`,
    };
  }
  const total = host.memory_total_bytes;
  if (used !== null && limit === null && total !== null && used >= total * LARGE_SHARE) {
    return {
      kind: 'memory_share',
      text: `uses ${byteSize(used)} of memory, ${Math.round((used / total) * 100)} % of the host, and has no limit; set one with 'fathomd databases set ${name} --memory-mb N'`,
    };
  }
  const { processors } = host;
  if (cpu !== null && processors !== null && cpu >= cpuThreshold(processors)) {
    return {
      kind: 'cpu',
      text: `uses ${Math.round(cpu)} % of one core since 30 seconds or longer; find the requests with 'fathomd logs ${name} --source requests'`,
    };
  }
  return null;
}

function cpuThreshold(processors: number): number {
  return Math.max(MIN_CPU_PERCENT, processors * 100 * PROCESSOR_SHARE);
}
