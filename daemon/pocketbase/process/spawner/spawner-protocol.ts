/** What the daemon asks of the spawner, and what it is told. */

export interface SpawnRequest {
  id: number;
  file: string;
  args: string[];
  env: Record<string, string>;
  /** Standard output and error are appended to this file by the process itself. */
  logFile: string;
}

/** Asks whether it is still there. */
export interface SpawnerPing {
  id: number;
  kind: 'ping';
}

export type SpawnerReport =
  | { id: number; kind: 'pong' }
  /** `logProblem`: why the log file could not be opened; null when it is. */
  | { id: number; kind: 'spawned'; pid: number; startTime: number; logProblem: string | null }
  | { id: number; kind: 'failed'; code: string | null; message: string }
  | { id: number; kind: 'exited'; code: number | null; signal: string | null };
