/**
 * A process of its own that does nothing but start processes. fork(2) copies the page tables of whoever calls it, which
 * costs the daemon 5 to 10 ms of a blocked event loop for each start and this small process less than 2.
 *
 * It ends with the daemon; what it started runs on, as a later daemon takes that over.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { processStat } from '../procfs.ts';
import type { SpawnerPing, SpawnerReport, SpawnRequest } from './spawner-protocol.ts';

function tell(report: SpawnerReport): void {
  // The channel closes under it when the daemon is killed.
  if (process.connected) process.send?.(report, undefined, undefined, () => {});
}

function start({ id, file, args, env, logFile }: SpawnRequest): void {
  try {
    const { fd: log, problem } = openLog(logFile);
    try {
      // Its own process group: a Ctrl-C in the daemon's terminal is the daemon's to handle.
      const child = spawn(file, args, { detached: true, env, stdio: ['ignore', log, log] });
      child.once('spawn', () => started(id, child.pid as number, problem));
      child.once('error', (error) => fail(id, error));
      child.once('exit', (code, signal) => tell({ id, kind: 'exited', code, signal }));
    } finally {
      closeSync(log);
    }
  } catch (error) {
    fail(id, error as Error);
  }
}

/** A log that cannot be opened does not keep a process from its start. */
function openLog(path: string): { fd: number; problem: string | null } {
  try {
    return { fd: openSync(path, 'a', 0o600), problem: null };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
    return { fd: openSync('/dev/null', 'a'), problem: message };
  }
}

/** Its start time is read here: the daemon may have no file descriptor left for that. */
function started(id: number, pid: number, logProblem: string | null): void {
  tell({ id, kind: 'spawned', pid, startTime: processStat(pid)?.startTime ?? 0, logProblem });
}

function fail(id: number, error: NodeJS.ErrnoException): void {
  tell({ id, kind: 'failed', code: error.code ?? null, message: error.message });
}

process.on('message', (message) => {
  const request = message as SpawnRequest | SpawnerPing;
  if ('kind' in request) tell({ id: request.id, kind: 'pong' });
  else start(request);
});
process.on('disconnect', () => process.exit(0));
// Sent to the whole group by a terminal or a service manager: the daemon decides what follows from them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
