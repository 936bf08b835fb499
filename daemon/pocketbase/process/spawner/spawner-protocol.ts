/** Messages between the daemon and the spawner. */

export interface ProcessExit {
  /** Null when a signal ended the process, or when its exit is unknown because it is not a child. */
  code: number | null;
  signal: string | null;
}

export interface SpawnRequest {
  id: number;
  file: string;
  args: string[];
  env: Record<string, string>;
  /** Standard output and error are appended to this file by the process itself. */
  logFile: string;
}

/** Checks that the spawner responds. */
export interface SpawnerPing {
  id: number;
  kind: 'ping';
}

export type SpawnerReport =
  | { id: number; kind: 'pong' }
  /** `logProblem`: why the log file could not be opened; null when it is open. */
  | { id: number; kind: 'spawned'; pid: number; startTime: number; logProblem: string | null }
  | { id: number; kind: 'failed'; code: string | null; message: string }
  | ({ id: number; kind: 'exited' } & ProcessExit);
