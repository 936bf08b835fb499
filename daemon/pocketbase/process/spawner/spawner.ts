/**
 * A separate process that only starts other processes. fork(2) copies the page tables of its caller: in the daemon each
 * start would block the event loop for 5 to 10 ms, in this small process for less than 2 ms.
 *
 * It ends with the daemon. The processes that it started keep running: the next daemon takes them over.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from '../../../../shared/api/instances.ts';
import { messageOf } from '../../../../shared/errors.ts';
import { Launcher } from '../../sandbox/launcher.ts';
import { chooseSandbox } from '../../sandbox/level.ts';
import { type Libc, loadLibc } from '../../sandbox/libc.ts';
import { SYSCALL } from '../../sandbox/syscall-filter.ts';
import { HeldPorts } from '../../sockets/held-ports.ts';
import { handoverProblem, SocketHandover } from '../../sockets/socket-handover.ts';
import { LOCKED_EXIT_CODE, lockedArguments } from '../command.ts';
import { processStat } from '../procfs.ts';
import type {
  HoldRequest,
  HoldResult,
  PortRequest,
  SpawnerPing,
  SpawnerReport,
  SpawnerSupport,
  SpawnRequest,
  SupportRequest,
} from './spawner-protocol.ts';

/** Starts a process that appends its output to an open log. */
interface Starter {
  readonly support: SpawnerSupport;
  /** Null when sockets cannot be handed over. */
  readonly ports: HeldPorts | null;
  /** @throws the error of a system call */
  start(request: SpawnRequest, log: number, logProblem: string | null): void;
}

/** Starts processes with system calls of its own, which Node does not offer. */
function launcherStarter(libc: Libc): Starter {
  const launcher = new Launcher(libc);
  const support = { ...launcher.support, handoverProblem: handoverProblem(libc) };
  const handovers = support.handoverProblem === null ? new SocketHandover(libc) : null;
  const ports = handovers && new HeldPorts(libc);
  /** Running processes by pid. */
  const running = new Map<number, { id: number; port: number | null }>();
  process.on('SIGCHLD', () => {
    for (let exit = launcher.reap(); exit !== null; exit = launcher.reap()) {
      const ended = running.get(exit.pid);
      if (ended === undefined) continue;
      running.delete(exit.pid);
      if (ended.port !== null) ports?.ended(ended.port);
      send({ id: ended.id, kind: 'exited', code: exit.code, signal: signalName(exit.signal) });
    }
  });
  return {
    support,
    ports,
    start: ({ id, file, args, env, lockFile, nice, cgroup, sandbox: request }, log, logProblem) => {
      const { port } = request;
      const handover = port === null ? null : (ports?.handover(port) ?? null);
      const channel = handover && (handovers?.channel() ?? null);
      try {
        const { pid, ...started } = launcher.launch({
          file,
          argv: [file, ...args],
          env,
          log,
          lockFile,
          lockedExitCode: LOCKED_EXIT_CODE,
          nice,
          cgroup,
          sandbox: request,
          handover: channel?.calls,
        });
        running.set(pid, { id, port });
        if (handover) channel?.begin(handover);
        sendSpawned(id, pid, { logProblem, ...started });
      } finally {
        channel?.close();
      }
    },
  };
}

/** Starts processes without a sandbox, where the C library cannot be used. */
function plainStarter(libcProblem: string): Starter {
  const support = {
    libcProblem,
    landlock: 0,
    landlockProblem: null,
    seccompProblem: null,
    handoverProblem: libcProblem,
  };
  return {
    support,
    ports: null,
    start: ({ id, file, args, env, lockFile, nice, cgroup, sandbox: { setting } }, log, logProblem) => {
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
        setNice(pid, nice);
        sendSpawned(id, pid, { logProblem, sandbox, cgroupProblem: moveInto(cgroup, pid) });
      });
      child.once('error', (error) => sendFailed(id, error));
      child.once('exit', (code, signal) => send({ id, kind: 'exited', code, signal }));
    },
  };
}

/** `flock` has one thread, which the threads of the program inherit this from. */
function setNice(pid: number, nice: number): void {
  try {
    setPriority(pid, nice);
  } catch (error) {
    // The process has ended, which is reported.
    if ((error as { info?: { code?: string } }).info?.code !== 'ESRCH') throw error;
  }
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

/** Opens, takes, closes or explains the socket of a port. */
function handlePort(ports: HeldPorts | null, request: PortRequest): void {
  switch (request.kind) {
    case 'hold':
      send({ id: request.id, kind: 'hold', result: hold(ports, request) });
      break;
    case 'take': {
      const isHeld = ports?.take(request.pid, request.port) ?? false;
      send({ id: request.id, kind: 'hold', result: isHeld ? 'held' : 'unsupported' });
      break;
    }
    case 'release':
      ports?.release(request.port);
      break;
    case 'explain':
      ports?.explain(request.port, request.problem, request.when);
      break;
    default:
      request satisfies never;
  }
}

function hold(ports: HeldPorts | null, { address, port }: HoldRequest): HoldResult {
  if (!ports) return 'unsupported';
  try {
    ports.hold(address, port);
    return 'held';
  } catch (error) {
    // Other errors are those of the address or of this process. The daemon checks the port itself then.
    return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'in_use' : 'unsupported';
  }
}

const libc = await loadLibc();
const starter = 'problem' in libc ? plainStarter(libc.problem) : launcherStarter(libc);
// Not process.exit(): it waits for threads, and one of them waits for calls of instances.
process.on('disconnect', () => {
  if ('problem' in libc) process.exit(0);
  else libc.syscall(SYSCALL.exit_group, 0);
});
process.on('message', (message) => {
  const request = message as SpawnRequest | SpawnerPing | SupportRequest | PortRequest;
  if (!('kind' in request)) start(starter, request);
  else if (request.kind === 'ping') send({ id: request.id, kind: 'pong' });
  else if (request.kind === 'support') send({ id: request.id, kind: 'support', support: starter.support });
  else handlePort(starter.ports, request);
});
