import type { Instance } from '../../../shared/api/instances.ts';
import { INSTANCE_PHASES, type InstancePhase } from '../../../shared/instance.ts';
import { byteSize, plural } from '../text/format.ts';
import { causeOf, reasonLine, SEVERITIES, type Severity, severityOf } from '../text/reason.ts';
import type { Spot } from '../view/location.ts';
import type { FleetState } from './fleet-state.ts';

const LOW_DISK_BYTES = 1024 ** 3;
const LOW_MEMORY_BYTES = 128 * 1024 ** 2;

/** Something that a person may want to act on. `name` is null where it is not about one instance. */
export interface Problem {
  /** Stays what it is for as long as the problem lasts. */
  key: string;
  name: string | null;
  about: 'instance' | 'daemon' | 'disk' | 'memory' | 'paused queue' | 'dead letters';
  severity: Severity;
  phase: InstancePhase | null;
  title: string;
  why: string;
  /** What it has in common with others; null where it stands for itself. */
  cause: string | null;
}

/** Of each state, as a frame asks for them several times. */
const remembered = new WeakMap<FleetState, readonly Problem[]>();

/** Worst first; the global database before the others, then by name. */
export function problemsOf(state: FleetState): readonly Problem[] {
  const problems = remembered.get(state) ?? findProblems(state);
  remembered.set(state, problems);
  return problems;
}

function findProblems(state: FleetState): readonly Problem[] {
  return [...hostProblems(state), ...instanceProblems(state)].toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
}

function instanceProblems({ instances, now }: FleetState): Problem[] {
  // Nearly all are fine at any time: only the others are put in order.
  const notFine = [...instances.values()].filter((instance) => severityOf(instance, now) !== 'ok');
  return notFine.toSorted(byKindThenName).map((instance) => ({
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

function byKindThenName(a: Instance, b: Instance): number {
  if (a.kind !== b.kind) return a.kind === 'global' ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function hostProblems({ status, usage }: FleetState): Problem[] {
  const problems: Problem[] = [];
  const add = (about: Problem['about'], severity: Severity, title: string, why: string) =>
    problems.push({ key: about, name: null, about, severity, phase: null, title, why, cause: null });
  if (status !== null && !status.ready) {
    add('daemon', 'recovering', 'daemon', `is not ready, waits for ${status.waiting_for ?? 'its start'}`);
  }
  const disk = usage?.disk_free_bytes ?? null;
  if (disk !== null && disk < LOW_DISK_BYTES) {
    add(
      'disk',
      'impaired',
      'host',
      `only ${byteSize(disk)} left on the disk of ${usage?.disk_path ?? 'the data directory'}: PocketBase stops writing when it is full`,
    );
  }
  const memory = usage?.memory_free_bytes ?? null;
  if (memory !== null && memory < LOW_MEMORY_BYTES) {
    add(
      'memory',
      'impaired',
      'host',
      `only ${byteSize(memory)} of memory left: the kernel may kill instances`,
    );
  }
  const dead = status?.queue?.dead ?? 0;
  if (dead > 0) add('dead letters', 'slow', 'queue', `${plural(dead, 'task')} in the dead letter queue`);
  if (status?.queue_paused === true) {
    const waiting = plural(status.queue?.pending ?? 0, 'task');
    add('paused queue', 'slow', 'queue', `is paused, ${waiting} waiting: z on the screen Queue resumes it`);
  }
  return problems;
}

/** Where a problem can be looked into. */
export function spotOfProblem({ name, about }: Problem): Spot {
  if (name !== null) return { screen: 'instance', name, tab: 'summary' };
  if (about === 'paused queue') return { screen: 'queue', tab: 'pending' };
  return about === 'dead letters' ? { screen: 'queue', tab: 'failures' } : { screen: 'overview' };
}

export function countPhases(instances: Iterable<Instance>): Record<InstancePhase, number> {
  const counts = Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, 0])) as Record<
    InstancePhase,
    number
  >;
  for (const { phase } of instances) counts[phase] += 1;
  return counts;
}
