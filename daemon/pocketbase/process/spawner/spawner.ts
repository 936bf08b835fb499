/**
 * A separate process that only starts other processes. fork(2) copies the page tables of its caller: in the daemon each
 * start would block the event loop for 5 to 10 ms, in this small process for less than 2 ms.
 *
 * It ends with the daemon. The processes that it started keep running: the next daemon takes them over.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { processStat } from '../procfs.ts';
import type { SpawnerPing, SpawnerReport, SpawnRequest } from './spawner-protocol.ts';

function send(report: SpawnerReport): void {
  // The channel may close during the call, when the daemon is killed.
  if (process.connected) process.send?.(report, undefined, undefined, () => {});
}

function start({ id, file, args, env, logFile }: SpawnRequest): void {
  try {
    const { fd: log, problem } = openLog(logFile);
    try {
      // In a new process group: a Ctrl-C in the terminal goes to the daemon only.
      const child = spawn(file, args, { detached: true, env, stdio: ['ignore', log, log] });
      child.once('spawn', () => sendSpawned(id, child.pid as number, problem));
      child.once('error', (error) => sendFailed(id, error));
      child.once('exit', (code, signal) => send({ id, kind: 'exited', code, signal }));
    } finally {
      closeSync(log);
    }
  } catch (error) {
    sendFailed(id, error as Error);
  }
}

/** Best effort: a log that cannot be opened does not block the start. */
function openLog(path: string): { fd: number; problem: string | null } {
  try {
    return { fd: openSync(path, 'a', 0o600), problem: null };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
    return { fd: openSync('/dev/null', 'a'), problem: message };
  }
}

/** Reads the start time here, because the daemon may have no free file descriptor. */
function sendSpawned(id: number, pid: number, logProblem: string | null): void {
  send({ id, kind: 'spawned', pid, startTime: processStat(pid)?.startTime ?? 0, logProblem });
}

function sendFailed(id: number, error: NodeJS.ErrnoException): void {
  send({ id, kind: 'failed', code: error.code ?? null, message: error.message });
}

process.on('message', (message) => {
  const request = message as SpawnRequest | SpawnerPing;
  if ('kind' in request) send({ id: request.id, kind: 'pong' });
  else start(request);
});
process.on('disconnect', () => process.exit(0));
// A terminal or a service manager sends these to the whole group. Only the daemon handles them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
