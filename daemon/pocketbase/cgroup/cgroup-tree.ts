import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { cgroupOf, DAEMON_GROUP } from './delegation.ts';
import { InstanceCgroup, writeValues } from './instance-cgroup.ts';
import { memoryValues, taskValues } from './limits.ts';

/** Each of them limits or shares one resource. Without one of them, the others still work. */
const CONTROLLERS = ['memory', 'cpu', 'pids', 'io'] as const;
export type Controller = (typeof CONTROLLERS)[number];

const KINDS = ['global', 'user'] as const;
type Kind = (typeof KINDS)[number];

/** A process of an earlier daemon. */
export interface EarlierProcess {
  pid: number;
  kind: Kind;
  name: string;
}

/** The cgroups of a fleet could not be prepared. */
export class CgroupProblem extends Error {}

/**
 * The cgroups of all instances, in a directory that this process may use.
 *
 *   <directory>/daemon          the daemon, made by systemd
 *   <directory>/global/<run>    the global PocketBase
 *   <directory>/user/<run>      one for each run of a user instance, with its limits
 *
 * The daemon, the global PocketBase and all user instances together get equal shares of the processor and the disk when
 * they are busy. The same holds for each user instance among the others.
 */
export class CgroupTree {
  readonly #directory: string;
  #controllers: readonly Controller[] = [];
  #runs = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Prepares a directory, and moves processes of an earlier daemon that have no cgroup of their own.
   *
   * @throws CgroupProblem when the directory cannot be used
   */
  static async open(directory: string, earlier: readonly EarlierProcess[]): Promise<CgroupTree> {
    try {
      const available = new Set(readText(directory, 'cgroup.controllers').trim().split(' '));
      const wanted = CONTROLLERS.filter((controller) => available.has(controller));
      if (wanted.length === 0) throw new CgroupProblem(`${directory} has no controllers`);
      for (const kind of KINDS) makeDirectory(join(directory, kind));
      const tree = new CgroupTree(directory);
      tree.#removeUnused();
      const moved: InstanceCgroup[] = [];
      for (const { pid, kind, name } of earlier) {
        if (tree.of(pid) !== null) continue;
        const cgroup = tree.#make(kind, name);
        await addUnlessEnded(cgroup, pid);
        moved.push(cgroup);
      }
      await moveToDaemon(directory);
      const enabled = wanted.filter((controller) => enable(directory, controller));
      if (enabled.length === 0) throw enableProblem(directory);
      for (const kind of KINDS) for (const each of enabled) enable(join(directory, kind), each);
      tree.#controllers = enabled;
      for (const cgroup of moved) tree.#limit(cgroup, null);
      return tree;
    } catch (error) {
      if (error instanceof CgroupProblem) throw error;
      throw new CgroupProblem(`${directory} cannot be used (${messageOf(error)})`, { cause: error });
    }
  }

  /** What the cgroups limit or share. */
  get controllers(): readonly Controller[] {
    return this.#controllers;
  }

  /**
   * Makes the cgroup of one run of an instance.
   *
   * @param memoryBytes limit of its memory; null without one
   * @throws the error of the kernel
   */
  create(kind: Kind, name: string, memoryBytes: number | null): InstanceCgroup {
    const cgroup = this.#make(kind, name);
    try {
      this.#limit(cgroup, memoryBytes);
      return cgroup;
    } catch (error) {
      void cgroup.remove();
      throw error;
    }
  }

  /** The cgroup of a running instance; null when the process has none here. */
  of(pid: number): InstanceCgroup | null {
    const found = cgroupOf(pid);
    if ('reason' in found) return null;
    const isOurs = KINDS.some((kind) => dirname(found.directory) === join(this.#directory, kind));
    return isOurs ? new InstanceCgroup(found.directory) : null;
  }

  /** Whether a process belongs to an instance. */
  contains(pid: number): boolean {
    const found = cgroupOf(pid);
    return (
      !('reason' in found) &&
      KINDS.some((kind) => found.directory.startsWith(`${join(this.#directory, kind)}/`))
    );
  }

  get limitsMemory(): boolean {
    return this.#controllers.includes('memory');
  }

  /** Each run has its own, whose name is never used again: its processes end with it, and the kernel counts from 0. */
  #make(kind: Kind, name: string): InstanceCgroup {
    for (;;) {
      this.#runs += 1;
      const directory = join(this.#directory, kind, `${safeName(name)}.${process.pid}-${this.#runs}`);
      try {
        mkdirSync(directory);
        return new InstanceCgroup(directory);
      } catch (error) {
        // Of an earlier daemon with the same pid.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  }

  #limit(cgroup: InstanceCgroup, memoryBytes: number | null): void {
    writeValues(cgroup.directory, [
      ...(this.limitsMemory ? memoryValues(memoryBytes) : []),
      ...(this.#controllers.includes('pids') ? taskValues() : []),
    ]);
  }

  /** Removes cgroups of instances that ended while no daemon ran. */
  #removeUnused(): void {
    for (const kind of KINDS) {
      const directory = join(this.#directory, kind);
      for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue;
        try {
          rmdirSync(join(directory, entry.name));
        } catch {
          // It has processes.
        }
      }
    }
  }
}

function readText(directory: string, file: string): string {
  return readFileSync(join(directory, file), 'utf8');
}

function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** Passes a controller on to the cgroups in a directory. @returns whether it could */
function enable(directory: string, controller: Controller): boolean {
  try {
    writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`, { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

function enableProblem(directory: string): CgroupProblem {
  const pids = processesIn(directory);
  const why =
    pids.length === 0
      ? 'the controllers cannot be enabled'
      : `other processes are in it, so its controllers cannot be enabled (pids ${pids.slice(0, 5).join(', ')})`;
  return new CgroupProblem(`${directory}: ${why}`);
}

/** Moves processes of an earlier daemon, such as its keeper, that are in the directory itself to the daemon. */
async function moveToDaemon(directory: string): Promise<void> {
  const daemon = join(directory, DAEMON_GROUP);
  if (!existsSync(daemon)) return;
  for (const pid of processesIn(directory)) await addUnlessEnded(new InstanceCgroup(daemon), pid);
}

function processesIn(directory: string): number[] {
  return readText(directory, 'cgroup.procs').trim().split('\n').filter(Boolean).map(Number);
}

async function addUnlessEnded(cgroup: InstanceCgroup, pid: number): Promise<void> {
  try {
    await cgroup.add(pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Names of databases are safe. Others must not lead out of the directory. */
function safeName(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, '_');
}
