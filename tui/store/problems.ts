import { INSTANCE_PHASES, type Instance, type InstancePhase } from '../../shared/instance.ts';
import type { FleetState } from './fleet-state.ts';
import { byteSize, plural } from './format.ts';
import { SEVERITIES, type Severity, severityOf, whyLine } from './why.ts';

const LOW_DISK_BYTES = 1024 ** 3;
const LOW_MEMORY_BYTES = 128 * 1024 ** 2;

/** Something that a person may want to act on. `name` is null where it is not about one instance. */
export interface Problem {
  name: string | null;
  about: 'instance' | 'host' | 'queue' | 'dead letters';
  severity: Severity;
  phase: InstancePhase | null;
  title: string;
  why: string;
}

/** Worst first; the global database before the others, then by name. */
export function problemsOf(state: FleetState): Problem[] {
  return [...hostProblems(state), ...instanceProblems(state)].toSorted(
    (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity),
  );
}

function instanceProblems({ instances, now }: FleetState): Problem[] {
  // Nearly all are fine at any time: only the others are put in order.
  const notFine = [...instances.values()].filter((instance) => severityOf(instance, now) !== 'ok');
  return notFine.toSorted(byKindThenName).map((instance) => ({
    name: instance.name,
    about: 'instance',
    severity: severityOf(instance, now),
    phase: instance.phase,
    title: instance.name,
    why: whyLine(instance, now) ?? '',
  }));
}

function byKindThenName(a: Instance, b: Instance): number {
  if (a.kind !== b.kind) return a.kind === 'global' ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

function hostProblems({ status, usage }: FleetState): Problem[] {
  const problems: Problem[] = [];
  const add = (severity: Severity, title: string, why: string, about: Problem['about'] = 'host') =>
    problems.push({ name: null, about, severity, phase: null, title, why });
  if (status !== null && !status.ready) {
    add('recovering', 'daemon', `is not ready, waits for ${status.waiting_for ?? 'its start'}`);
  }
  const disk = usage?.disk_free_bytes ?? null;
  if (disk !== null && disk < LOW_DISK_BYTES) {
    add('impaired', 'host', `only ${byteSize(disk)} of disk left: PocketBase stops writing when it is full`);
  }
  const memory = usage?.memory_free_bytes ?? null;
  if (memory !== null && memory < LOW_MEMORY_BYTES) {
    add('impaired', 'host', `only ${byteSize(memory)} of memory left: the kernel may kill instances`);
  }
  const dead = status?.queue?.dead ?? 0;
  if (dead > 0) add('slow', 'queue', `${plural(dead, 'task')} in the dead letter queue`, 'dead letters');
  if (status?.queue_paused === true) {
    const waiting = plural(status.queue?.pending ?? 0, 'task');
    add('slow', 'queue', `is paused, ${waiting} waiting: z on the screen Queue resumes it`, 'queue');
  }
  return problems;
}

export function countPhases(instances: Iterable<Instance>): Record<InstancePhase, number> {
  const counts = Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, 0])) as Record<
    InstancePhase,
    number
  >;
  for (const { phase } of instances) counts[phase] += 1;
  return counts;
}
