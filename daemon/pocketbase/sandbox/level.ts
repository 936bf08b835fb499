import type { Sandbox } from '../../../shared/api/instances.ts';
import type { SandboxSetting } from '../../../shared/sandbox.ts';
import { LANDLOCK_VERSION } from './landlock.ts';

/** What a host offers to restrict a process. */
export interface HostSupport {
  /** Why system calls cannot be made from Node; null when they can. */
  libcProblem: string | null;
  /** The version of Landlock; 0 without it. */
  landlock: number;
  landlockProblem: string | null;
  /** Why no seccomp filter can be installed; null when it can. */
  seccompProblem: string | null;
}

/** A program that needs more files than itself: a script, or one that loads a library that was not found. */
export type ProgramKind = 'program' | 'script';

/** The best level for a program on a host, and why it is not `full`. */
export function bestSandbox(host: HostSupport, program: ProgramKind): Sandbox {
  if (host.libcProblem !== null) {
    return { level: 'none', reason: `this process cannot make system calls (${host.libcProblem})` };
  }
  if (host.seccompProblem !== null) {
    return { level: 'none', reason: `seccomp filters are not available (${host.seccompProblem})` };
  }
  if (program === 'script') {
    return { level: 'syscalls', reason: 'its executable is a script, which may run any program' };
  }
  if (host.landlock < LANDLOCK_VERSION.refer) {
    const found = host.landlock === 0 ? 'no Landlock' : `Landlock version ${host.landlock}`;
    const why = host.landlockProblem === null ? '' : ` (${host.landlockProblem})`;
    return {
      level: 'syscalls',
      reason: `the kernel offers ${found}${why}; version ${LANDLOCK_VERSION.refer} (Linux 5.19) restricts files`,
    };
  }
  if (host.landlock < LANDLOCK_VERSION.signals) {
    return {
      level: 'files',
      reason: `the kernel offers Landlock version ${host.landlock}; version ${LANDLOCK_VERSION.signals} (Linux 6.12) restricts ports and signals`,
    };
  }
  return { level: 'full', reason: null };
}

/** As `chooseSandbox`, for a report: without the required level, no process starts. */
export function plannedSandbox(setting: SandboxSetting, host: HostSupport, program: ProgramKind): Sandbox {
  const sandbox = chooseSandbox(setting, host, program);
  return 'unavailable' in sandbox ? { level: 'none', reason: sandbox.unavailable } : sandbox;
}

/** Why the connections of a process cannot be limited. */
export function connectionsProblem({ level, reason }: Sandbox): string {
  return `a developer's database needs the sandbox level full, and this host offers ${level}${reason === null ? '' : `: ${reason}`}`;
}

const ORDER = ['none', 'syscalls', 'files', 'full'] as const;

/**
 * The sandbox of a process. A level as setting is a requirement, and a lower one than the host offers is used as well.
 *
 * @returns the reason when the host does not offer the required level
 */
export function chooseSandbox(
  setting: SandboxSetting,
  host: HostSupport,
  program: ProgramKind,
): Sandbox | { unavailable: string } {
  if (setting === 'off') return { level: 'none', reason: 'PB_SANDBOX is off' };
  const best = bestSandbox(host, program);
  if (setting === 'auto') return best;
  if (ORDER.indexOf(best.level) < ORDER.indexOf(setting)) {
    return {
      unavailable: `PB_SANDBOX requires the level ${setting}, and this host offers ${best.level}: ${best.reason}. Set PB_SANDBOX to auto or to ${best.level === 'none' ? 'off' : best.level}`,
    };
  }
  return setting === best.level ? best : { level: setting, reason: `PB_SANDBOX is ${setting}` };
}
