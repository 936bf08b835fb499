import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/time/clock.ts';
import { ExecutableHashes } from '../binary/executable-hash.ts';
import {
  FLEET_VARIABLE,
  flagValue,
  INSTANCE_VARIABLE,
  type InstanceCommand,
  inheritedEnvironment,
  lockedArguments,
} from './command.ts';
import { findByEnvironment, isAlive, isThatProcess, type ProcessIdentity, pollsSocket } from './procfs.ts';
import { SpawnerClient } from './spawner/spawner-client.ts';

export interface ProcessExit {
  /** Null when a signal ended it, or when it was not our child and nobody could tell. */
  code: number | null;
  signal: string | null;
}

export interface InstanceProcess {
  readonly pid: number;
  readonly startTime: number;
  /** Why its log file could not be opened, so that it runs without one. */
  readonly logProblem?: string | null;
  /** Settles once, when the process is gone. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Signals the whole process group; false when it is gone already, never one that has its pid by now. */
  signal(signal: NodeJS.Signals): boolean;
  /** Whether it could be the one that answers on its port: one that lost the port to another process is not. */
  mayListen(): Promise<boolean>;
}

/** The end of a process as something that can be waited for together with other things. */
export function watchExit(process: InstanceProcess): { signal: AbortSignal; exit: () => ProcessExit | null } {
  const gone = new AbortController();
  let exit: ProcessExit | null = null;
  const note = async () => {
    exit = await process.exited;
    gone.abort();
  };
  void note();
  return { signal: gone.signal, exit: () => exit };
}

/** A process of this fleet that an earlier daemon left running. */
export interface FoundProcess {
  instance: string;
  pid: number;
  startTime: number;
  startedAt: Date;
  dataDir: string | null;
  /** `host:port` that it was told to listen on. */
  address: string | null;
  executable: string | null;
  /** Of the executable; null when it cannot be read. */
  sha256: string | null;
  hooksDir: string | null;
  environment: ReadonlyMap<string, string>;
}

/** What the daemon does to processes. Child processes now; one systemd unit per instance would be another one. */
export interface ProcessDriver {
  /** @throws the error of spawn(2) when the process could not be started at all */
  spawn(command: InstanceCommand): Promise<InstanceProcess>;
  adopt(found: FoundProcess): InstanceProcess;
  find(): Promise<FoundProcess[]>;
}

/** How often an adopted process, which is not our child, is looked at. */
const ADOPTED_POLL_MS = 250;

export class ChildProcessDriver implements ProcessDriver {
  readonly #fleetId: string;
  readonly #spawner = new SpawnerClient();
  readonly #clock: Clock;
  readonly #hashes = new ExecutableHashes();
  readonly #closed = new AbortController();

  constructor(options: { fleetId: string; clock: Clock }) {
    this.#fleetId = options.fleetId;
    this.#clock = options.clock;
  }

  async spawn(command: InstanceCommand): Promise<InstanceProcess> {
    // The process writes its log itself, so that it goes on when the daemon is gone and no burst passes through it.
    const { pid, startTime, logProblem, exited } = await this.#spawner.spawn({
      file: 'flock',
      args: lockedArguments(command),
      env: {
        ...inheritedEnvironment(process.env),
        ...command.environment,
        // For flock(1) to be found.
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        [FLEET_VARIABLE]: this.#fleetId,
        [INSTANCE_VARIABLE]: command.name,
      },
      logFile: command.logFile,
    });
    return {
      pid,
      startTime,
      logProblem,
      exited: exited.then((exit) => exit ?? this.#gone(pid, startTime)),
      signal: (signal) => isThatProcess(pid, startTime) && signalGroup(pid, signal),
      mayListen: () => mayListen(pid, startTime),
    };
  }

  /** What was started runs on, but its end is not waited for any more: that would keep a daemon that leaves. */
  close(): void {
    this.#closed.abort();
    this.#spawner.close();
  }

  adopt(found: FoundProcess): InstanceProcess {
    const { pid, startTime } = found;
    return {
      pid,
      startTime,
      exited: this.#gone(pid, startTime),
      signal: (signal) => isThatProcess(pid, startTime) && signalGroup(pid, signal),
      mayListen: () => mayListen(pid, startTime),
    };
  }

  async find(): Promise<FoundProcess[]> {
    const processes = await findByEnvironment(FLEET_VARIABLE, this.#fleetId);
    const ticksNow = await bootTicks();
    const describe = async (process: ProcessIdentity): Promise<FoundProcess> => ({
      instance: process.environment.get(INSTANCE_VARIABLE) ?? '',
      pid: process.pid,
      startTime: process.startTime,
      startedAt: new Date(this.#clock.now().getTime() - (ticksNow - process.startTime) * 10),
      dataDir: flagValue(process.argv, 'dir'),
      address: flagValue(process.argv, 'http'),
      executable: process.executable,
      sha256: await this.#hashes.of(process.pid),
      hooksDir: flagValue(process.argv, 'hooksDir'),
      environment: process.environment,
    });
    return Promise.all(processes.map(describe));
  }

  async #gone(pid: number, startTime: number): Promise<ProcessExit> {
    const { signal } = this.#closed;
    while (isAlive(pid, startTime) && !signal.aborted) await this.#clock.sleep(ADOPTED_POLL_MS, signal);
    return { code: null, signal: null };
  }
}

/** Hundredths of a second since boot, the unit of a process's start time. */
async function bootTicks(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 100;
}

/**
 * One that cannot be seen may have its port for as long as it lives: its end is in /proc some time before the spawner's
 * report of it is here.
 */
async function mayListen(pid: number, startTime: number): Promise<boolean> {
  return (await pollsSocket(pid)) ?? isAlive(pid, startTime);
}

/** The process and what it started; one that somebody started within another group is signalled alone. */
function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  return send(-pid, signal) || send(pid, signal);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
