import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../../shared/errors.ts';
import { Launcher } from '../../sandbox/launcher.ts';
import { chooseSandbox, connectionsProblem } from '../../sandbox/level.ts';
import type { Libc } from '../../sandbox/libc.ts';
import { HeldPorts, type PortEvents } from '../../sockets/held-ports.ts';
import { Readiness } from '../../sockets/readiness.ts';
import { handoverProblem, SocketHandover } from '../../sockets/socket-handover.ts';
import { LOCKED_EXIT_CODE, lockedArguments } from '../command.ts';
import { processStat } from '../procfs.ts';
import type { KeeperSupport, ProcessExit, SpawnRequest, StartedProcess } from './keeper-protocol.ts';
import type { KeeperState, RunningChild } from './keeper-state.ts';

/** Starts processes that append their output to an open log. */
export interface Starter {
  readonly support: KeeperSupport;
  /** Null when sockets cannot be handed over. */
  readonly ports: HeldPorts | null;
  /** Running processes. */
  children(): RunningChild[];
  /** Resolves when the program runs. @throws the error of a system call */
  start(request: SpawnRequest, log: number): Promise<Omit<StartedProcess, 'logProblem'>>;
}

export type OnExit = (child: RunningChild, exit: ProcessExit) => void;

/** Starts processes with system calls of its own, which Node does not offer. */
export class LauncherStarter implements Starter {
  readonly support: KeeperSupport;
  readonly ports: HeldPorts | null;
  readonly #launcher: Launcher;
  readonly #handovers: SocketHandover | null;
  readonly #running = new Map<number, RunningChild>();
  readonly #onExit: OnExit;

  /** @param state of the program that this one replaces; null for the first one */
  constructor(libc: Libc, state: KeeperState | null, onExit: OnExit, portEvents: PortEvents) {
    this.#launcher = new Launcher(libc);
    this.#onExit = onExit;
    this.support = { ...this.#launcher.support, handoverProblem: handoverProblem(libc) };
    const readiness = this.support.handoverProblem === null ? new Readiness(libc) : null;
    this.#handovers = readiness && new SocketHandover(libc, readiness);
    this.ports = readiness && new HeldPorts(libc, readiness, portEvents);
    for (const child of state?.children ?? []) this.#running.set(child.pid, child);
    this.ports?.restore(state?.ports ?? []);
    for (const { notifications, port, bound, isOnly } of state?.handovers ?? []) {
      const handover = this.ports?.handoverOf(port);
      if (handover) this.#handovers?.resume(notifications, { ...handover, isOnly }, bound);
    }
    process.on('SIGCHLD', () => this.reap());
  }

  children(): RunningChild[] {
    return [...this.#running.values()];
  }

  /** What the next program needs. Its descriptors stay open across execve(2). */
  state(): Omit<KeeperState, 'sleeping' | 'wakes' | 'failed' | 'lease'> {
    return {
      version: 1,
      children: this.children(),
      ports: this.ports?.state() ?? [],
      handovers: this.#handovers?.state() ?? [],
    };
  }

  /** Reads the exits of all processes that have ended. */
  reap(): void {
    for (let end = this.#launcher.reap(); end !== null; end = this.#launcher.reap()) {
      const child = this.#running.get(end.pid);
      if (child === undefined) continue;
      this.#running.delete(end.pid);
      if (child.port !== null) this.ports?.ended(child.port);
      this.#onExit(child, { code: end.code, signal: signalName(end.signal) });
    }
  }

  async start(request: SpawnRequest, log: number): Promise<Omit<StartedProcess, 'logProblem'>> {
    const { file, args, env, lockFile, nice, cgroup, endsWithKeeper = false, sandbox } = request;
    const { port } = sandbox;
    const handover = port === null ? null : (this.ports?.handover(port) ?? null);
    const channel = handover && (this.#handovers?.channel() ?? null);
    try {
      const { pid, ...started } = this.#launcher.launch({
        file,
        argv: [file, ...args],
        env,
        log,
        lockFile,
        lockedExitCode: LOCKED_EXIT_CODE,
        nice,
        cgroup,
        endsWithParent: endsWithKeeper,
        sandbox,
        handover: channel?.calls,
      });
      const startTime = startTimeOf(pid);
      this.#running.set(pid, { pid, startTime, port });
      if (handover) channel?.begin({ ...handover, isOnly: started.sandbox.level === 'full' });
      return { pid, startTime, ...started };
    } finally {
      channel?.close();
    }
  }
}

/** Starts processes without a sandbox, where the C library cannot be used. */
export class PlainStarter implements Starter {
  readonly support: KeeperSupport;
  readonly ports = null;
  readonly #running = new Map<number, RunningChild>();
  readonly #onExit: OnExit;

  constructor(libcProblem: string, onExit: OnExit) {
    this.#onExit = onExit;
    this.support = {
      libcProblem,
      landlock: 0,
      landlockProblem: null,
      seccompProblem: null,
      handoverProblem: libcProblem,
    };
  }

  children(): RunningChild[] {
    return [...this.#running.values()];
  }

  start(
    {
      file,
      args,
      env,
      lockFile,
      nice,
      cgroup,
      endsWithKeeper = false,
      sandbox: { setting, connectPorts },
    }: SpawnRequest,
    log: number,
  ): Promise<Omit<StartedProcess, 'logProblem'>> {
    const sandbox = chooseSandbox(setting, this.support, 'program');
    if ('unavailable' in sandbox) return Promise.reject(new Error(sandbox.unavailable));
    if (connectPorts) return Promise.reject(new Error(connectionsProblem(sandbox)));
    // In a new process group: a Ctrl-C in the terminal goes to the daemon only.
    const locked = lockedArguments(lockFile, [file, ...args]);
    const [program, programArguments] = endsWithKeeper
      ? ['setpriv', ['--pdeathsig', 'KILL', 'flock', ...locked]]
      : ['flock', locked];
    const child = spawn(program, programArguments, {
      detached: true,
      env,
      stdio: ['ignore', log, log],
    });
    const { promise, resolve, reject } = Promise.withResolvers<Omit<StartedProcess, 'logProblem'>>();
    child.once('error', reject);
    child.once('spawn', () => {
      const pid = child.pid as number;
      setNice(pid, nice);
      const startTime = startTimeOf(pid);
      const running = { pid, startTime, port: null };
      this.#running.set(pid, running);
      child.once('exit', (code, signal) => {
        this.#running.delete(pid);
        this.#onExit(running, { code, signal });
      });
      resolve({ pid, startTime, sandbox, cgroupProblem: moveInto(cgroup, pid) });
    });
    return promise;
  }
}

/** Read here, because the daemon may have no free file descriptor. */
function startTimeOf(pid: number): number {
  return processStat(pid)?.startTime ?? 0;
}

const IGNORED: ReadonlySet<string | undefined> = new Set(['ESRCH', 'EPERM', 'EACCES']);

/** `flock` has one thread, which the threads of the program inherit this from. */
function setNice(pid: number, nice: number): void {
  try {
    setPriority(pid, nice);
  } catch (error) {
    // The process has ended, which is reported, or the filter of the service denies it.
    if (!IGNORED.has((error as { info?: { code?: string } }).info?.code)) throw error;
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
