import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { backupProblems } from '../../../shared/backup-failure.ts';
import { erasureProblem } from '../../../shared/erasures.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import { inactiveProblem } from '../../../shared/inactive.ts';
import { INSTANCE_PHASES, type InstancePhase } from '../../../shared/instance.ts';
import { hostResources, resourceProblem } from '../../../shared/resource-use.ts';
import { cached } from '../cached.ts';
import { byteSize, plural } from '../text/format.ts';
import { causeOf, reasonLine, SEVERITIES, type Severity, severityOf } from '../text/reason.ts';
import type { Spot } from '../view/location.ts';
import type { FleetState } from './fleet-state.ts';

const LOW_DISK_BYTES = 1024 ** 3;
const LOW_MEMORY_BYTES = 128 * 1024 ** 2;

/** A problem that the user may want to solve. */
export interface Problem {
  /** Does not change while the problem exists. */
  key: string;
  /** Name of the instance; null for other problems. */
  name: string | null;
  about:
    | 'instance'
    | 'daemon'
    | 'disk'
    | 'memory'
    | 'vulnerabilities'
    | 'backups'
    | 'erasures'
    | 'archives'
    | 'paused queue'
    | 'dead letters';
  severity: Severity;
  phase: InstancePhase | null;
  title: string;
  why: string;
  /** Equal for problems with the same cause; null if the problem is never grouped. */
  cause: string | null;
}

/** Sorted by severity, worst first. The global database is before the others, which are sorted by name. */
export const problemsOf = cached((state: FleetState): readonly Problem[] =>
  [...hostProblems(state), ...instanceProblems(state), ...resourceProblems(state)].toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  ),
);

function instanceProblems({ instances, now }: FleetState): Problem[] {
  // Only instances with a problem are sorted: usually there are few.
  const withProblem = [...instances.values()].filter((instance) => severityOf(instance, now) !== 'ok');
  return withProblem.toSorted(byKindThenName).map((instance) => ({
    key: instance.name,
    name: instance.name,
    about: 'instance',
    severity: severityOf(instance, now),
    phase: instance.phase,
    title: instance.name,
    why: reasonLine(instance, now) ?? '',
    cause: instance.kind === 'user' ? causeOf(instance) : null,
  }));
}

/** Instances that work, and use so much that they may disturb others or be ended soon. */
function resourceProblems({ instances, usage, now }: FleetState): Problem[] {
  const host = hostResources(usage);
  return [...instances.values()].flatMap((instance): Problem[] => {
    if (severityOf(instance, now) !== 'ok') return [];
    const found = resourceProblem(instance, host);
    if (found === null) return [];
    const { name, phase } = instance;
    return [
      {
        key: name,
        name,
        about: 'instance',
        severity: 'slow',
        phase,
        title: name,
        why: found.text,
        cause: `uses much: ${found.kind}`,
      },
    ];
  });
}

/** Failed ones before others: they wait for a person. */
function byKindThenName(a: Instance, b: Instance): number {
  if (a.kind !== b.kind) return a.kind === 'global' ? -1 : 1;
  if ((a.phase === 'failed') !== (b.phase === 'failed')) return a.phase === 'failed' ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function hostProblems({ status, usage }: FleetState): Problem[] {
  const problems: Problem[] = [];
  const add = (about: Problem['about'], severity: Severity, title: string, why: string) =>
    problems.push({ key: about, name: null, about, severity, phase: null, title, why, cause: null });
  if (status !== null && !status.ready) {
    add('daemon', 'recovering', 'daemon', `is not ready and waits for ${status.waiting_for ?? 'its start'}`);
  }
  const disk = usage?.disk_free_bytes ?? null;
  // The daemon of an earlier release does not report it.
  if (usage?.writes_held === true) {
    add(
      'disk',
      'down',
      'host',
      `the disk is nearly full: databases that write are held, and sign-ups are rejected; free some space, 'fathomd databases usage' shows the largest databases`,
    );
  } else if (disk !== null && disk < LOW_DISK_BYTES) {
    add(
      'disk',
      'impaired',
      'host',
      `only ${byteSize(disk)} free on the disk of ${usage?.disk_path ?? 'the data directory'}: PocketBase cannot write when it is full`,
    );
  }
  const memory = usage?.memory_free_bytes ?? null;
  if (memory !== null && memory < LOW_MEMORY_BYTES) {
    add(
      'memory',
      'impaired',
      'host',
      `only ${byteSize(memory)} of memory free: the kernel may kill instances`,
    );
  }
  // The daemon of an earlier release does not report them.
  const { exposure }: Partial<DaemonStatus> = status ?? {};
  const [worst] = exposure?.versions ?? [];
  if (exposure !== undefined && worst !== undefined) {
    const isSevere = worst.severity === 'high' || worst.severity === 'critical';
    const why = `${exposure.versions.map(describeExposure).join('; ')}; ${exposure.remedy ?? ''}`;
    add('vulnerabilities', isSevere ? 'impaired' : 'slow', 'PocketBase', why);
  }
  // The daemon of an earlier release does not report them.
  const { backups, trash, inactive }: Partial<DaemonStatus> = status ?? {};
  const [backup] = backups === undefined ? [] : backupProblems(backups);
  if (backup !== undefined) add('backups', 'impaired', 'backups', `${backup.text}; ${backup.remedy}`);
  const erasure = trash === undefined ? null : erasureProblem(trash);
  if (erasure !== null) add('erasures', 'slow', 'deleted databases', `${erasure.text}; ${erasure.remedy}`);
  const archive = inactive === undefined ? null : inactiveProblem(inactive);
  if (archive !== null) add('archives', 'slow', 'databases not used', `${archive.text}; ${archive.remedy}`);
  const dead = status?.queue?.dead ?? 0;
  if (dead > 0) add('dead letters', 'slow', 'queue', `${plural(dead, 'task')} in the dead letter queue`);
  if (status?.queue_paused === true) {
    const waiting = plural(status.queue?.pending ?? 0, 'task');
    add('paused queue', 'slow', 'queue', `is paused, ${waiting} waiting`);
  }
  return problems;
}

/** The screen that shows the details of a problem. */
export function spotOfProblem({ name, about }: Problem): Spot {
  if (name !== null) return { screen: 'instance', name, tab: 'summary' };
  if (about === 'vulnerabilities') return { screen: 'host', tab: 'doctor' };
  if (about === 'backups') return { screen: 'backups' };
  if (about === 'paused queue') return { screen: 'queue', tab: 'pending' };
  return about === 'dead letters' ? { screen: 'queue', tab: 'failures' } : { screen: 'overview' };
}

/** The number of instances of a fleet in each phase. */
export const fleetPhases = cached((instances: ReadonlyMap<string, Instance>) =>
  countPhases(instances.values()),
);

export function countPhases(instances: Iterable<Instance>): Record<InstancePhase, number> {
  const counts = Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, 0])) as Record<
    InstancePhase,
    number
  >;
  for (const { phase } of instances) counts[phase] += 1;
  return counts;
}
