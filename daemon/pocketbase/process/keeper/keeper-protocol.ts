/**
 * Messages between the daemon and the keeper: one line of JSON each. `hello` and `replace` never change, because a daemon
 * of another release sends and reads them too.
 */
import type { Sandbox } from '../../../../shared/api/instances.ts';
import type { SandboxRequest } from '../../sandbox/launcher.ts';
import type { HostSupport } from '../../sandbox/level.ts';
import type { Unavailable } from '../../sockets/unavailable.ts';

export interface ProcessExit {
  /** Null when a signal ended the process, or when its exit is unknown because it is not a child. */
  code: number | null;
  signal: string | null;
  /** The kernel ended it because of the memory limit of its cgroup. */
  isOutOfMemory?: true;
}

export interface SpawnRequest {
  id: number;
  kind: 'spawn';
  /** The path of the program. */
  file: string;
  args: string[];
  env: Record<string, string>;
  /** Standard output and error are appended to this file by the process itself. */
  logFile: string;
  /** The process itself holds a lock on this file for its lifetime. If another one has it, the exit code is 200. */
  lockFile: string;
  /** Its nice value. */
  nice: number;
  /** The directory of a cgroup that the process starts in; null for that of the keeper. */
  cgroup: string | null;
  /** The kernel kills the process when the keeper ends. */
  endsWithKeeper?: boolean;
  sandbox: SandboxRequest;
}

/** Opens the listening socket of a port, and keeps it open. */
export interface HoldRequest {
  id: number;
  kind: 'hold';
  /** An IP address. */
  address: string;
  port: number;
}

/** Takes the listening socket of a process that an earlier daemon started. */
export interface TakeRequest {
  id: number;
  kind: 'take';
  pid: number;
  port: number;
}

/** Closes the listening socket of a port. */
export interface ReleaseRequest {
  id: number;
  kind: 'release';
  port: number;
}

/** What clients of a port get while no process answers: from now on, or when they have waited too long. */
export interface ExplainRequest {
  id: number;
  kind: 'explain';
  port: number;
  problem: Unavailable;
  when: 'now' | 'later';
}

/** A process without its request, for a later start. */
export type SpawnCommand = Omit<SpawnRequest, 'id' | 'kind'>;

/**
 * The database of a port sleeps. The first connection is reported to the daemon.
 * While none is connected, the keeper itself starts the process.
 */
export interface SleepRequest {
  id: number;
  kind: 'sleep';
  /** An IP address, for a socket that is not held yet. */
  address: string;
  port: number;
  command: SpawnCommand;
  /** A process to end first, unless it has clients; null without one. */
  pid: number | null;
  /** Also ends a process whose connections have no request in progress. */
  closeQuiet?: boolean;
}

export interface OpenedPorts {
  /** Of databases that sleep. The first connection is reported to the daemon. */
  asleep: number[];
  /** Of databases whose processes start soon. Connections wait. */
  starting: number[];
  /** Of databases for which one of both follows: connections wait. Ports that are open already stay as they are. */
  early: number[];
}

/** Opens the sockets of many ports, which takes 20 µs each. The answer names those that cannot be opened. */
export interface OpenRequest extends Omit<OpenedPorts, 'early'> {
  id: number;
  kind: 'open';
  /** An IP address. */
  address: string;
  /** Earlier keepers do not read it. */
  early?: number[];
}

/** What a value has that another one does not have: all of it, or the fields of an object or list that differ. */
export type Difference = { is: unknown } | { in: Record<string, Difference> };

/** The commands of many databases, which differ in a few texts: each as its difference from the first one. */
export interface PackedCommands {
  first: SpawnCommand;
  others: { port: number; difference: Difference | null }[];
}

/** How to start the processes of databases that sleep since an `open`. */
export interface CommandsRequest extends PackedCommands {
  id: number;
  kind: 'commands';
}

export type PortRequest = HoldRequest | TakeRequest | ReleaseRequest | ExplainRequest | SleepRequest;

/**
 * `unsupported`: this process cannot open it. `has_clients`: the process was not ended. `has_quiet_clients`: the same, and no
 * connection has a request in progress.
 */
export type HoldResult = 'held' | 'in_use' | 'unsupported' | 'has_clients' | 'has_quiet_clients';

/** Asks what the host offers for sandboxes. */
export interface SupportRequest {
  id: number;
  kind: 'support';
}

/** Asks what it did while no daemon was connected. */
export interface AbsenceRequest {
  id: number;
  kind: 'absence';
}

export interface Absence {
  /** Each wake is reported once. */
  wakes: Wake[];
  /** Ports of databases that it could not start. */
  failed: number[];
}

/** The starts of a sleeping database by the keeper. */
export interface Wake {
  port: number;
  count: number;
  /** The time of the last one. */
  at: string;
}

/** Checks that the keeper responds. */
export interface PingRequest {
  id: number;
  kind: 'ping';
}

/** When the lease is over, the keeper kills all processes and starts none. */
export interface LeaseRequest {
  id: number;
  kind: 'lease';
  /** In boot time, see `bootTime`; null without a limit. */
  until: number | null;
}

export interface KeeperSupport extends HostSupport {
  /** Why listening sockets cannot be handed over to processes; null when they can. */
  handoverProblem: string | null;
}

/** A process that the keeper started. With its start time, a pid identifies a process. */
export interface Child {
  pid: number;
  startTime: number;
}

/** The first message of a keeper. */
export interface Hello {
  id: 0;
  kind: 'hello';
  pid: number;
  /** Identifies the program, see `programIdentity`. */
  identity: string;
  children: Child[];
}

/** The keeper becomes another program. Its processes and sockets stay. */
export interface ReplaceRequest {
  id: number;
  kind: 'replace';
  /** The path of Node, and its arguments. */
  node: string;
  args: string[];
  identity: string;
}

/** The daemon ends. Without processes, the keeper ends too. */
export interface GoodbyeRequest {
  id: number;
  kind: 'goodbye';
}

export interface StartedProcess extends Child {
  /** Why the log file could not be opened; null when it is open. */
  logProblem: string | null;
  sandbox: Sandbox;
  /** Why the process is not in its cgroup; null when it is. */
  cgroupProblem: string | null;
}

export type KeeperRequest =
  | SpawnRequest
  | PortRequest
  | OpenRequest
  | CommandsRequest
  | SupportRequest
  | AbsenceRequest
  | PingRequest
  | LeaseRequest
  | ReplaceRequest
  | GoodbyeRequest;

export type KeeperReport =
  | Hello
  | { id: number; kind: 'pong' }
  | { id: number; kind: 'support'; support: KeeperSupport }
  | ({ id: number; kind: 'absence' } & Absence)
  | { id: number; kind: 'hold'; result: HoldResult }
  | { id: number; kind: 'opened'; closed: number[] }
  | { id: 0; kind: 'ring'; port: number }
  | ({ id: number; kind: 'spawned' } & StartedProcess)
  | { id: number; kind: 'failed'; code: string | null; message: string; path: string | null }
  | { id: 0; kind: 'exited'; pid: number; exit: ProcessExit };
