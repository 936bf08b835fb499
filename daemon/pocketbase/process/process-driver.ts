import { readFile } from 'node:fs/promises';
import { getPriority, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { CgroupStatus } from '../../../shared/api/daemon.ts';
import type { Sandbox } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import { ExecutableHashes } from '../binary/executable-hash.ts';
import { CgroupProblem, CgroupTree, type EarlierProcess } from '../cgroup/cgroup-tree.ts';
import { findCgroup } from '../cgroup/delegation.ts';
import type { InstanceCgroup } from '../cgroup/instance-cgroup.ts';
import { readProgram } from '../sandbox/file-view.ts';
import type { SandboxRequest, SandboxSettings } from '../sandbox/launcher.ts';
import { plannedSandbox } from '../sandbox/level.ts';
import { sandboxOfProcess } from '../sandbox/process-sandbox.ts';
import type { Unavailable } from '../sockets/unavailable.ts';
import {
  FLEET_VARIABLE,
  flagValue,
  INSTANCE_VARIABLE,
  type InstanceCommand,
  inheritedEnvironment,
  instanceArguments,
} from './command.ts';
import { KeeperClient } from './keeper/keeper-client.ts';
import type { KeeperPlace } from './keeper/keeper-link.ts';
import { KeeperPorts } from './keeper/keeper-ports.ts';
import type {
  Absence,
  HoldResult,
  OpenedPorts,
  ProcessExit,
  SpawnCommand,
} from './keeper/keeper-protocol.ts';
import { type GoSettings, goEnvironment, oomScoreOf, readOomScore, setOomScore } from './memory-settings.ts';
import { niceOf } from './priority.ts';
import { findByEnvironment, isAlive, isThatProcess, type ProcessIdentity, pollsSocket } from './procfs.ts';
import { sendSignal } from './signals.ts';

export type { ProcessExit };

export interface InstanceProcess {
  readonly pid: number;
  readonly startTime: number;
  /** Why its log file could not be opened. The process then runs without a log. */
  readonly logProblem?: string | null;
  /** Why it runs without a cgroup of its own, although the host has them. */
  readonly cgroupProblem?: string | null;
  readonly sandbox: Sandbox;
  /** Resolves when the process has ended. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Signals the process group. False when the process has ended; never signals a process that reuses the pid. */
  signal(signal: NodeJS.Signals): boolean;
  /** Whether the process may be listening. False when another process has its port. */
  mayListen(): Promise<boolean>;
  /** Sets the limit of its memory in the kernel; null removes it. Without a cgroup, nothing happens. */
  limitMemory?(limitBytes: number | null): Promise<void>;
}

/** The exit of a process as a signal, to wait for it together with other events. */
export function watchExit(process: InstanceProcess): { signal: AbortSignal; exit: () => ProcessExit | null } {
  const ended = new AbortController();
  let exit: ProcessExit | null = null;
  const waitForExit = async () => {
    exit = await process.exited;
    ended.abort();
  };
  void waitForExit();
  return { signal: ended.signal, exit: () => exit };
}

/** A process of this fleet that an earlier daemon left running. */
export interface FoundProcess {
  instance: string;
  pid: number;
  startTime: number;
  startedAt: Date;
  dataDir: string | null;
  /** The `host:port` in its arguments. */
  address: string | null;
  executable: string | null;
  /** SHA-256 of the executable; null when it cannot be read. */
  sha256: string | null;
  hooksDir: string | null;
  publicDir: string | null;
  environment: ReadonlyMap<string, string>;
  sandbox: Sandbox;
}

/** Holds the listening sockets of ports, so that connections wait while no process accepts them. */
export interface PortHolder {
  /** Opens the socket of a port. False when another process has the port; null when this host cannot hold sockets. */
  hold(host: string, port: number): Promise<boolean | null>;
  /** Takes the socket of an adopted process. False when it cannot: then the port is closed between its end and its next start. */
  take(process: InstanceProcess, port: number): Promise<boolean>;
  /** Closes the socket of a port. */
  release(port: number): void;
  /** What clients get while no process accepts: from now on, or when they have waited too long. */
  explain(port: number, problem: Unavailable, when: 'now' | 'later'): void;
  /**
   * Lets a database sleep: the first connection to its port is reported, see `onRing`.
   *
   * @param process is ended first, unless it has clients; null without a process
   * @param closeQuiet also ends it when none of its connections has a request in progress
   */
  sleep(command: InstanceCommand, process: InstanceProcess | null, closeQuiet?: boolean): Promise<HoldResult>;
  /**
   * Opens the ports of many databases at once, at the start of the daemon. Databases that sleep need their commands soon.
   *
   * @returns ports that cannot be opened
   */
  open(host: string, ports: Partial<OpenedPorts>): Promise<ReadonlySet<number>>;
  /** How to start databases that sleep since `open`, while no daemon runs. @param commands at least one */
  sendCommands(commands: readonly InstanceCommand[]): Promise<void>;
  /** Calls the listener when a connection waits at the port of a sleeping database. */
  onRing(listener: (port: number) => void): void;
  /** What happened to sleeping databases while no daemon ran. Each wake is reported once. */
  absence(): Promise<Absence>;
  /** Calls the listener when ports of sleeping databases were lost: `sleep` opens them again. */
  onLost(listener: () => void): void;
}

/** Starts and finds instance processes. */
export interface ProcessDriver extends PortHolder {
  /** @throws the error of spawn(2) when the process could not be started at all */
  spawn(command: InstanceCommand): Promise<InstanceProcess>;
  adopt(found: FoundProcess): InstanceProcess;
  find(): Promise<FoundProcess[]>;
  /** The sandbox with which a process of this program starts. */
  sandboxFor(program: string): Promise<Sandbox>;
}

/** How often to check an adopted process, which is not a child of this one. */
const ADOPTED_POLL_MS = 250;

export class ChildProcessDriver implements ProcessDriver {
  readonly #fleetId: string;
  readonly #keeper: KeeperClient;
  readonly #clock: Clock;
  readonly #hashes = new ExecutableHashes();
  readonly #closed = new AbortController();
  readonly #ports: KeeperPorts;
  readonly #sandboxes: SandboxSettings;
  readonly #go: GoSettings;
  readonly #needsLease: boolean;
  /** Read once: each look at a variable is a call of the C library. */
  readonly #inherited = inheritedEnvironment(process.env);
  #cgroups: CgroupTree | { reason: string } = { reason: 'the daemon is starting' };
  /** By program. It does not change while this daemon runs, and the status asks for it all the time. */
  readonly #planned = new Map<string, Sandbox>();
  #handoverProblem: Promise<string | null> | null = null;

  /**
   * @param options.keeper of a keeper that outlives this process; without it, the keeper ends with this process
   * @param options.needsLease processes end with the keeper, and with the lease, see `setLease`
   */
  constructor(options: {
    fleetId: string;
    clock: Clock;
    sandboxes: SandboxSettings;
    go?: GoSettings;
    keeper?: Pick<KeeperPlace, 'socketPath' | 'logFile'>;
    needsLease?: boolean;
  }) {
    this.#needsLease = options.needsLease ?? false;
    this.#keeper = new KeeperClient(options.keeper ? { ...options.keeper, fleetId: options.fleetId } : null, {
      onLost: () => {
        if (!this.#closed.signal.aborted) void this.#ports.restore();
      },
      onRing: (port) => this.#ports.ring(port),
      needsLease: this.#needsLease,
    });
    this.#ports = new KeeperPorts(this.#keeper);
    this.#fleetId = options.fleetId;
    this.#clock = options.clock;
    this.#sandboxes = options.sandboxes;
    this.#go = options.go ?? { memoryBytes: null, processors: null };
  }

  /** Without a required level, none starts. */
  async sandboxFor(program: string): Promise<Sandbox> {
    const known = this.#planned.get(program);
    if (known) return known;
    const { kind } = readProgram(program);
    const planned = plannedSandbox(this.#sandboxes.setting, await this.#keeper.support(), kind);
    this.#planned.set(program, planned);
    return planned;
  }

  /**
   * Gives each instance a cgroup of its own from now on, where the host allows it.
   *
   * @param setting the value of FATHOM_CGROUP
   * @param earlier processes of an earlier daemon, which are moved
   */
  async useCgroups(setting: string, earlier: readonly EarlierProcess[]): Promise<CgroupStatus> {
    const place = findCgroup(setting);
    try {
      this.#cgroups = 'reason' in place ? place : await CgroupTree.open(place.directory, earlier);
    } catch (error) {
      if (!(error instanceof CgroupProblem)) throw error;
      this.#cgroups = { reason: error.message };
    }
    return this.cgroups;
  }

  /** What the kernel limits or shares for each instance. */
  get cgroups(): CgroupStatus {
    return this.#cgroups instanceof CgroupTree
      ? { controllers: [...this.#cgroups.controllers], reason: null }
      : { controllers: [], reason: this.#cgroups.reason };
  }

  /** The pid of the process that starts the instances; null while it is not known. */
  get keeperPid(): number | null {
    return this.#keeper.pid;
  }

  /** Whether a process is in the cgroup of an instance. */
  isInInstance(pid: number): boolean {
    return this.#cgroups instanceof CgroupTree && this.#cgroups.contains(pid);
  }

  async spawn(command: InstanceCommand): Promise<InstanceProcess> {
    const { cgroup, problem } = this.#makeCgroup(command);
    try {
      return await this.#spawn(command, cgroup, problem);
    } catch (error) {
      await cgroup?.remove();
      throw error;
    }
  }

  /** Best effort: without a cgroup, the daemon limits the memory of the instance alone. */
  #makeCgroup({ kind, name, memoryBytes }: InstanceCommand): {
    cgroup: InstanceCgroup | null;
    problem: string | null;
  } {
    if (!(this.#cgroups instanceof CgroupTree)) return { cgroup: null, problem: null };
    try {
      return { cgroup: this.#cgroups.create(kind, name, memoryBytes), problem: null };
    } catch (error) {
      return { cgroup: null, problem: messageOf(error) };
    }
  }

  async #spawn(
    command: InstanceCommand,
    cgroup: InstanceCgroup | null,
    problem: string | null,
  ): Promise<InstanceProcess> {
    const { pid, startTime, logProblem, sandbox, cgroupProblem, exited } = await this.#keeper.spawn({
      ...this.#spawnCommand(command),
      cgroup: cgroup?.directory ?? null,
    });
    setOomScore(pid, oomScoreOf(command.kind, readOomScore('self') ?? 0));
    const started: InstanceProcess = {
      pid,
      startTime,
      logProblem,
      cgroupProblem: problem ?? cgroupProblem,
      sandbox,
      exited: this.#leaveCgroup(
        exited.then((exit) => exit ?? this.#pollExit(pid, startTime)),
        { pid, startTime, cgroup },
      ),
      signal: (signal) => isThatProcess(pid, startTime) && signalGroup(pid, signal),
      mayListen: () => mayListen(pid, startTime),
      limitMemory: (limitBytes) => this.#limitMemory(cgroup, limitBytes),
    };
    if (command.mode !== 'migrate') void this.#ports.noteListening(started, command.port);
    return started;
  }

  /** Without a cgroup. */
  #spawnCommand(command: InstanceCommand): SpawnCommand {
    return {
      file: command.binary,
      args: instanceArguments(command),
      env: {
        ...this.#inherited,
        ...command.environment,
        ...goEnvironment(command, this.#go, totalmem()),
        // To find flock(1) and the programs of hooks.
        PATH: process.env['PATH'] ?? '/usr/bin:/bin',
        [FLEET_VARIABLE]: this.#fleetId,
        [INSTANCE_VARIABLE]: command.name,
      },
      // The process writes its own log: it continues without the daemon, and bursts do not load the daemon.
      logFile: command.logFile,
      lockFile: command.lockFile,
      nice: niceOf(command.kind, getPriority()),
      cgroup: null,
      endsWithKeeper: this.#needsLease,
      sandbox: sandboxOf(command, this.#sandboxes),
    };
  }

  async #limitMemory(cgroup: InstanceCgroup | null, limitBytes: number | null): Promise<void> {
    if (cgroup && this.#cgroups instanceof CgroupTree && this.#cgroups.limitsMemory)
      await cgroup.limitMemory(limitBytes);
  }

  /** Without a later one, all processes are killed at this time, also when this one has ended. @param until in boot time */
  setLease(until: number): void {
    this.#keeper.setLease(until);
  }

  hold(host: string, port: number): Promise<boolean | null> {
    return this.#ports.hold(host, port);
  }

  take(process: InstanceProcess, port: number): Promise<boolean> {
    return this.#ports.take(process, port);
  }

  /** Whether connections to the port wait for an instance while no process accepts them. */
  isHeld(port: number): boolean {
    return this.#ports.isHeld(port);
  }

  release(port: number): void {
    this.#ports.release(port);
  }

  explain(port: number, problem: Unavailable, when: 'now' | 'later'): void {
    this.#ports.explain(port, problem, when);
  }

  async sleep(
    command: InstanceCommand,
    process: InstanceProcess | null,
    closeQuiet = false,
  ): Promise<HoldResult> {
    const { host, port } = command;
    const result = await this.#ports.sleep(host, port, this.#spawnCommand(command), {
      pid: process?.pid ?? null,
      closeQuiet,
    });
    // A keeper that was lost may have stopped it for its look.
    if (result === 'unsupported') process?.signal('SIGCONT');
    return result;
  }

  open(host: string, ports: Partial<OpenedPorts>): Promise<ReadonlySet<number>> {
    return this.#ports.open(host, ports);
  }

  sendCommands(commands: readonly InstanceCommand[]): Promise<void> {
    return this.#ports.sendCommands(
      commands.map((command) => ({ port: command.port, command: this.#spawnCommand(command) })),
    );
  }

  onRing(listener: (port: number) => void): void {
    this.#ports.onRing(listener);
  }

  absence(): Promise<Absence> {
    return this.#keeper.absence();
  }

  onLost(listener: () => void): void {
    this.#ports.onLost(listener);
  }

  async sockets(): Promise<{ held: boolean; reason: string | null }> {
    this.#handoverProblem ??= this.#keeper.support().then(({ handoverProblem }) => handoverProblem);
    const reason = await this.#handoverProblem;
    return { held: reason === null, reason };
  }

  /** Stops to wait for exits, so that the daemon can exit. The processes keep running. */
  close(): void {
    this.#closed.abort();
    this.#keeper.close();
  }

  adopt(found: FoundProcess): InstanceProcess {
    const { pid, startTime, sandbox } = found;
    const cgroup = this.#cgroups instanceof CgroupTree ? this.#cgroups.of(pid) : null;
    return {
      pid,
      startTime,
      sandbox,
      exited: this.#leaveCgroup(this.#exitOf({ pid, startTime }), { pid, startTime, cgroup }),
      signal: (signal) => isThatProcess(pid, startTime) && signalGroup(pid, signal),
      mayListen: () => mayListen(pid, startTime),
      limitMemory: (limitBytes) => this.#limitMemory(cgroup, limitBytes),
    };
  }

  async find(): Promise<FoundProcess[]> {
    // Connects to the keeper of an earlier daemon, which reports their exits.
    await this.#keeper.support();
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
      publicDir: flagValue(process.argv, 'publicDir'),
      environment: process.environment,
      sandbox: await sandboxOfProcess(process),
    });
    return Promise.all(processes.map(describe));
  }

  /** Adds the reason to an exit, and removes the cgroup of the process. */
  async #leaveCgroup(
    exited: Promise<ProcessExit>,
    { pid, startTime, cgroup }: { pid: number; startTime: number; cgroup: InstanceCgroup | null },
  ): Promise<ProcessExit> {
    const exit = await exited;
    // A daemon that ends stops to wait for processes that keep running.
    if (cgroup === null || isAlive(pid, startTime)) return exit;
    const isOutOfMemory = cgroup.ranOutOfMemory();
    // Not awaited: processes that it left must not delay the next start.
    void cgroup.remove();
    return isOutOfMemory ? { ...exit, isOutOfMemory } : exit;
  }

  /** The exit of a process of an earlier daemon. Its keeper reports it, if the keeper has started the process. */
  async #exitOf({ pid, startTime }: { pid: number; startTime: number }): Promise<ProcessExit> {
    const reported = await Promise.race([
      this.#keeper.exitOf({ pid, startTime }),
      new Promise<null>((resolve) => {
        this.#closed.signal.addEventListener('abort', () => resolve(null), { once: true });
      }),
    ]);
    return reported ?? this.#pollExit(pid, startTime);
  }

  async #pollExit(pid: number, startTime: number): Promise<ProcessExit> {
    const { signal } = this.#closed;
    while (isAlive(pid, startTime) && !signal.aborted) await this.#clock.sleep(ADOPTED_POLL_MS, signal);
    return { code: null, signal: null };
  }
}

function sandboxOf(command: InstanceCommand, settings: SandboxSettings): SandboxRequest {
  const { migrationsDir, hooksDir, publicDir } = command;
  return {
    ...settings,
    dataDir: command.dataDir,
    temporaryDir: join(dirname(command.dataDir), 'tmp'),
    readable: [migrationsDir, hooksDir, publicDir].filter((path) => path !== null),
    port: command.mode === 'migrate' ? null : command.port,
    connectPorts: command.connectPorts ?? null,
  };
}

/** Hundredths of a second since boot, the unit of the start time of a process. */
async function bootTicks(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 100;
}

/** Without access to its sockets, a live process counts as listening. */
async function mayListen(pid: number, startTime: number): Promise<boolean> {
  return (await pollsSocket(pid)) ?? isAlive(pid, startTime);
}

/** Signals the group that a process leads, or the process alone if it leads none. */
function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  return sendSignal(-pid, signal) || sendSignal(pid, signal);
}
