/**
 * A separate process that only starts other processes. fork(2) copies the page tables of its caller: in the daemon each
 * start would block the event loop for 5 to 10 ms, in this small process for less than 2 ms.
 *
 * It ends with the daemon. The processes that it started keep running: the next daemon takes them over.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from '../../../../shared/api/instances.ts';
import { messageOf } from '../../../../shared/errors.ts';
import { Launcher } from '../../sandbox/launcher.ts';
import { chooseSandbox, type HostSupport } from '../../sandbox/level.ts';
import { loadLibc } from '../../sandbox/libc.ts';
import { LOCKED_EXIT_CODE, lockedArguments } from '../command.ts';
import { processStat } from '../procfs.ts';
import type { SpawnerPing, SpawnerReport, SpawnRequest, SupportRequest } from './spawner-protocol.ts';

/** Starts a process that appends its output to an open log. */
interface Starter {
  readonly support: HostSupport;
  /** @throws the error of a system call */
  start(request: SpawnRequest, log: number, logProblem: string | null): void;
}

/** Starts processes with system calls of its own, which Node does not offer. */
function launcherStarter(launcher: Launcher): Starter {
  /** The requests of running processes by pid. */
  const running = new Map<number, number>();
  process.on('SIGCHLD', () => {
    for (let exit = launcher.reap(); exit !== null; exit = launcher.reap()) {
      const id = running.get(exit.pid);
      if (id === undefined) continue;
      running.delete(exit.pid);
      send({ id, kind: 'exited', code: exit.code, signal: signalName(exit.signal) });
    }
  });
  return {
    support: launcher.support,
    start: ({ id, file, args, env, lockFile, cgroup, sandbox: request }, log, logProblem) => {
      const { pid, ...started } = launcher.launch({
        file,
        argv: [file, ...args],
        env,
        log,
        lockFile,
        lockedExitCode: LOCKED_EXIT_CODE,
        cgroup,
        sandbox: request,
      });
      running.set(pid, id);
      sendSpawned(id, pid, { logProblem, ...started });
    },
  };
}

/** Starts processes without a sandbox, where the C library cannot be used. */
function plainStarter(libcProblem: string): Starter {
  const support = { libcProblem, landlock: 0, landlockProblem: null, seccompProblem: null };
  return {
    support,
    start: ({ id, file, args, env, lockFile, cgroup, sandbox: { setting } }, log, logProblem) => {
      const sandbox = chooseSandbox(setting, support, 'program');
      if ('unavailable' in sandbox) throw new Error(sandbox.unavailable);
      // In a new process group: a Ctrl-C in the terminal goes to the daemon only.
      const child = spawn('flock', lockedArguments(lockFile, [file, ...args]), {
        detached: true,
        env,
        stdio: ['ignore', log, log],
      });
      child.once('spawn', () => {
        const pid = child.pid as number;
        sendSpawned(id, pid, { logProblem, sandbox, cgroupProblem: moveInto(cgroup, pid) });
      });
      child.once('error', (error) => sendFailed(id, error));
      child.once('exit', (code, signal) => send({ id, kind: 'exited', code, signal }));
    },
  };
}

/** Returns why the process cannot be moved into the cgroup; null when it is there, or when there is none. */
function moveInto(cgroup: string | null, pid: number): string | null {
  if (cgroup === null) return null;
  try {
    writeFileSync(join(cgroup, 'cgroup.procs'), String(pid));
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function signalName(number: number | null): string | null {
  if (number === null) return null;
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}

function send(report: SpawnerReport): void {
  // The channel may close during the call, when the daemon is killed.
  if (process.connected) process.send?.(report, undefined, undefined, () => {});
}

function start(starter: Starter, request: SpawnRequest): void {
  try {
    const { fd: log, problem } = openLog(request.logFile);
    try {
      starter.start(request, log, problem);
    } finally {
      closeSync(log);
    }
  } catch (error) {
    sendFailed(request.id, error as Error);
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
function sendSpawned(
  id: number,
  pid: number,
  started: { logProblem: string | null; sandbox: Sandbox; cgroupProblem: string | null },
): void {
  const startTime = processStat(pid)?.startTime ?? 0;
  send({ id, kind: 'spawned', pid, startTime, ...started });
}

function sendFailed(id: number, error: NodeJS.ErrnoException): void {
  const { code = null, path = null } = error;
  send({ id, kind: 'failed', code, path, message: messageOf(error) });
}

// A terminal or a service manager sends these to the whole group. Only the daemon handles them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));

const libc = await loadLibc();
const starter = 'problem' in libc ? plainStarter(libc.problem) : launcherStarter(new Launcher(libc));
process.on('message', (message) => {
  const request = message as SpawnRequest | SpawnerPing | SupportRequest;
  if (!('kind' in request)) start(starter, request);
  else if (request.kind === 'ping') send({ id: request.id, kind: 'pong' });
  else send({ id: request.id, kind: 'support', support: starter.support });
});
