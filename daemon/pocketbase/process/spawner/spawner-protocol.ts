/** Messages between the daemon and the spawner. */
import type { Sandbox } from '../../../../shared/api/instances.ts';
import type { SandboxRequest } from '../../sandbox/launcher.ts';
import type { HostSupport } from '../../sandbox/level.ts';

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
  /** The directory of a cgroup that the process starts in; null for that of the spawner. */
  cgroup: string | null;
  sandbox: SandboxRequest;
}

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

export type SpawnerReport =
  | { id: number; kind: 'pong' }
  | { id: number; kind: 'support'; support: HostSupport }
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
