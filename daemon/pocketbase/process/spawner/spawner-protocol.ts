/** Messages between the daemon and the spawner. */
import type { Sandbox } from '../../../../shared/api/instances.ts';
import type { SandboxRequest } from '../../sandbox/launcher.ts';
import type { HostSupport } from '../../sandbox/level.ts';
import type { Unavailable } from '../../sockets/unavailable.ts';

export interface ProcessExit {
  /** Null when a signal ended the process, or when its exit is unknown because it is not a child. */
  code: number | null;
  signal: string | null;
  /** The kernel ended it because of the memory limit of its cgroup. */
  isOutOfMemory?: true;
}

export interface SpawnRequest {
  id: number;
  /** The path of the program. */
  file: string;
  args: string[];
  env: Record<string, string>;
  /** Standard output and error are appended to this file by the process itself. */
  logFile: string;
  /** The process itself holds a lock on this file for its lifetime. If another one has it, the exit code is 200. */
  lockFile: string;
  /** Its nice value. */
  nice: number;
  /** The directory of a cgroup that the process starts in; null for that of the spawner. */
  cgroup: string | null;
  sandbox: SandboxRequest;
}

/** Opens the listening socket of a port, and keeps it open. */
export interface HoldRequest {
  id: number;
  kind: 'hold';
  /** An IP address. */
  address: string;
  port: number;
}

/** Takes the listening socket of a process that an earlier daemon started. */
export interface TakeRequest {
  id: number;
  kind: 'take';
  pid: number;
  port: number;
}

/** Closes the listening socket of a port. */
export interface ReleaseRequest {
  id: number;
  kind: 'release';
  port: number;
}

/** What clients of a port get while no process answers: from now on, or when they have waited too long. */
export interface ExplainRequest {
  id: number;
  kind: 'explain';
  port: number;
  problem: Unavailable;
  when: 'now' | 'later';
}

export type PortRequest = HoldRequest | TakeRequest | ReleaseRequest | ExplainRequest;

/** `unsupported`: this process cannot open it. */
export type HoldResult = 'held' | 'in_use' | 'unsupported';

/** Asks what the host offers for sandboxes. */
export interface SupportRequest {
  id: number;
  kind: 'support';
}

/** Checks that the spawner responds. */
export interface SpawnerPing {
  id: number;
  kind: 'ping';
}

export interface SpawnerSupport extends HostSupport {
  /** Why listening sockets cannot be handed over to processes; null when they can. */
  handoverProblem: string | null;
}

export type SpawnerReport =
  | { id: number; kind: 'pong' }
  | { id: number; kind: 'support'; support: SpawnerSupport }
  | { id: number; kind: 'hold'; result: HoldResult }
  /**
   * `logProblem`: why the log file could not be opened; null when it is open. `cgroupProblem`: why the process is not in
   * its cgroup; null when it is.
   */
  | {
      id: number;
      kind: 'spawned';
      pid: number;
      startTime: number;
      logProblem: string | null;
      sandbox: Sandbox;
      cgroupProblem: string | null;
    }
  | { id: number; kind: 'failed'; code: string | null; message: string; path: string | null }
  | ({ id: number; kind: 'exited' } & ProcessExit);
