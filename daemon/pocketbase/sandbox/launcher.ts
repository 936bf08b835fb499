import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { Sandbox } from '../../../shared/api/instances.ts';
import type { SandboxLevel, SandboxSetting } from '../../../shared/sandbox.ts';
import { Memory } from './call-memory.ts';
import type { ChildCall } from './child-calls.ts';
import {
  hostPaths,
  linkedDirectories,
  openForRule,
  type Program,
  programPaths,
  readProgram,
  type VisiblePath,
} from './file-view.ts';
import { describeFilter } from './filter-program.ts';
import {
  LANDLOCK_CREATE_RULESET_VERSION,
  LANDLOCK_VERSION,
  pathRule,
  portRule,
  type Rule,
  rulesetAttributes,
} from './landlock.ts';
import { chooseSandbox, connectionsProblem, type HostSupport } from './level.ts';
import type { Libc } from './libc.ts';
import {
  CLONE3,
  capsetArguments,
  execArguments,
  F_SETFD,
  killWithParent,
  maySetPriority,
  noNewPrivileges,
  ownMask,
  runCalls,
  SIG_SETMASK,
  SIGNAL_SET_BYTES,
  setPriority,
  systemError,
  waitForExit,
} from './run-calls.ts';
import { SYSCALL, syscallFilter } from './syscall-filter.ts';
import { prepareDirectories } from './temporary-dir.ts';

/** The variable of a process with the level of its sandbox. */
export const SANDBOX_VARIABLE = 'FATHOM_SANDBOX';

/** The same for all processes of a fleet. */
export interface SandboxSettings {
  setting: SandboxSetting;
  /** Directories of the fleet. A link in the data of one instance must not lead into them. */
  fleetDirectories: string[];
}

/** How much of the host a process may use. */
export interface SandboxRequest extends SandboxSettings {
  /** Created if missing. The process may write it. */
  dataDir: string;
  /** Temporary files of the process. Emptied before each start. */
  temporaryDir: string;
  /** Paths that it may read. */
  readable: string[];
  /** The TCP port that it may listen on; null for none. */
  port: number | null;
  /** The TCP ports that it may connect to, which needs the level `full`; all of them without a list. */
  connectPorts?: number[] | null;
}

export interface Launch {
  file: string;
  /** With the name of the program. */
  argv: string[];
  env: Record<string, string>;
  /** The open file for standard output and error. */
  log: number;
  /** Locked as long as the process runs. */
  lockFile: string;
  /** The exit code when another process holds the lock. */
  lockedExitCode: number;
  /** Its nice value. */
  nice: number;
  /** The directory of a cgroup that the process starts in; null for that of this process. */
  cgroup: string | null;
  /** The kernel kills the process when this one ends. */
  endsWithParent: boolean;
  sandbox: SandboxRequest;
  /** Adds calls before the filter of the sandbox, see `socket-handover.ts`. */
  handover?: ((memory: Memory) => ChildCall[]) | undefined;
}

export interface Launched {
  pid: number;
  sandbox: Sandbox;
  /** Why the process is not in the cgroup; null when it is, or when there is none. */
  cgroupProblem: string | null;
}

/** Exactly one of `code` and `signal` is not null. */
export interface ProcessEnd {
  pid: number;
  code: number | null;
  signal: number | null;
}

const ANY_CHILD = -1;
const WNOHANG = 1;
const LAST_SIGNAL = 64;
/** `struct sigaction` of the kernel, all zero: SIG_DFL. */
const DEFAULT_ACTION = Buffer.alloc(32);
const LOCK_EXCLUSIVE_NOW = 2 | 4;
const SECCOMP_SET_MODE_FILTER = 1;
/** Capabilities that a process of root keeps: files of other users (DAC_OVERRIDE, FOWNER) and low ports. */
const KEPT_CAPABILITIES = (1n << 1n) | (1n << 3n) | (1n << 10n);
const EWOULDBLOCK = 11;

/** Starts processes with a sandbox, see `child-calls.ts`. */
export class Launcher {
  readonly #libc: Libc;
  readonly #support: HostSupport;
  /** The filter of a service can deny it. Instances then have the priority of this process. */
  readonly #maySetPriority: boolean;
  #isClone3Denied = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#support = probeSupport(libc);
    this.#maySetPriority = maySetPriority(libc);
  }

  get support(): HostSupport {
    return this.#support;
  }

  /** Reads the exit of one process that has ended; null without one. */
  reap(): ProcessEnd | null {
    const status = Buffer.alloc(4);
    const pid = this.#libc.syscall(SYSCALL.wait4, ANY_CHILD, this.#libc.addressOf(status), WNOHANG, 0);
    if (pid <= 0) return null;
    const value = status.readUInt32LE(0);
    const signal = value & 0x7f;
    return signal === 0 ? { pid, code: (value >> 8) & 0xff, signal: null } : { pid, code: null, signal };
  }

  /** @throws an Error with the code of the system call that failed */
  launch(launch: Launch): Launched {
    const { sandbox: request, file } = launch;
    const program = readProgram(file);
    const sandbox = chooseSandbox(request.setting, this.#support, program.kind);
    if ('unavailable' in sandbox) throw Object.assign(new Error(sandbox.unavailable), { code: 'ESANDBOX' });
    if (request.connectPorts && sandbox.level !== 'full')
      throw Object.assign(new Error(connectionsProblem(sandbox)), { code: 'ESANDBOX' });
    const open: number[] = [];
    const memory = new Memory(this.#libc);
    try {
      const input = keep(open, openSync('/dev/null', 'r'));
      const lock = keep(open, openLock(launch.lockFile));
      const locked = this.#call('flock', SYSCALL.flock, lock, LOCK_EXCLUSIVE_NOW, [EWOULDBLOCK]);
      const calls = processCalls(memory, {
        input,
        log: launch.log,
        nice: this.#maySetPriority ? launch.nice : null,
        endsWithParent: launch.endsWithParent,
      });
      if (locked === -EWOULDBLOCK) {
        calls.push({ name: 'exit', number: SYSCALL.exit_group, args: [launch.lockedExitCode] });
        return { pid: runCalls(this.#libc, calls, memory, file), sandbox, cgroupProblem: null };
      }
      calls.push({ name: 'fcntl', number: SYSCALL.fcntl, args: [lock, F_SETFD, 0] });
      prepareDirectories(request);
      const env = {
        ...launch.env,
        [SANDBOX_VARIABLE]: sandbox.level,
        // Without a sandbox as well: the daemon bounds the files in it.
        TMPDIR: request.temporaryDir,
      };
      if (sandbox.level !== 'none') {
        calls.push(...this.#restrictions(memory, sandbox.level, { launch, program, open }));
      } else if (launch.handover) {
        calls.push(noNewPrivileges(), ...launch.handover(memory));
      }
      calls.push({
        name: 'execve',
        number: SYSCALL.execve,
        args: execArguments(memory, { file, argv: launch.argv, env }),
      });
      return { ...this.#runInCgroup(calls, memory, { launch, open }), sandbox };
    } finally {
      for (const fd of open) closeSync(fd);
    }
  }

  /** Calls that restrict the child. After the last one, it can do nothing but execute the program. */
  #restrictions(
    memory: Memory,
    level: Exclude<SandboxLevel, 'none'>,
    { launch, program, open }: { launch: Launch; program: Program; open: number[] },
  ): ChildCall[] {
    const ruleset =
      level === 'syscalls'
        ? []
        : [this.#ruleset(landlockVersionOf(level, this.#support.landlock), { launch, program, open })];
    return restrictCalls(memory, {
      ruleset: ruleset[0] ?? null,
      beforeFilter: launch.handover?.(memory) ?? [],
      truncation: level !== 'syscalls' && this.#support.landlock < LANDLOCK_VERSION.truncate,
    });
  }

  /** A ruleset with everything that the process may use. */
  #ruleset(version: number, { launch, program, open }: { launch: Launch; program: Program; open: number[] }) {
    const { sandbox, file, env } = launch;
    const attributes = rulesetAttributes(version, { limitsConnections: Boolean(sandbox.connectPorts) });
    const ruleset = keep(
      open,
      this.#call(
        'landlock_create_ruleset',
        SYSCALL.landlock_create_ruleset,
        this.#libc.addressOf(attributes),
        attributes.length,
      ),
    );
    const paths: VisiblePath[] = [
      ...hostPaths(),
      ...programPaths(file, program),
      ...[...sandbox.readable, env['SSL_CERT_FILE'], env['SSL_CERT_DIR']].flatMap((path) =>
        path === undefined ? [] : [{ path, access: 'read' as const }],
      ),
      ...[sandbox.dataDir, ...linkedDirectories(sandbox)].map((path) => ({ path, access: 'write' as const })),
      { path: sandbox.temporaryDir, access: 'write' },
    ];
    for (const path of paths) this.#addPath(ruleset, path, version);
    if (sandbox.port !== null && version >= LANDLOCK_VERSION.ports)
      this.#addRule(ruleset, portRule(sandbox.port, 'listen'));
    for (const port of sandbox.connectPorts ?? []) this.#addRule(ruleset, portRule(port, 'connect'));
    return ruleset;
  }

  #addPath(ruleset: number, { path, access }: VisiblePath, version: number): void {
    const fd = openPath(path);
    if (fd === null) return;
    try {
      this.#addRule(ruleset, pathRule(access, { fd, isDirectory: fstatSync(fd).isDirectory() }, version));
    } finally {
      closeSync(fd);
    }
  }

  #addRule(ruleset: number, { type, attributes }: Rule): void {
    this.#call('landlock_add_rule', SYSCALL.landlock_add_rule, ruleset, type, [], attributes);
  }

  /** Makes a system call in this process. @throws unless the error is expected, which is returned as a negative number */
  #call(
    name: string,
    number: number,
    first: number | bigint,
    second: number | bigint,
    expected: readonly number[] = [],
    buffer?: Buffer,
  ): number {
    const third = buffer === undefined ? 0 : this.#libc.addressOf(buffer);
    const result = this.#libc.syscall(number, first, second, third, 0);
    if (result < 0 && !expected.includes(-result)) throw systemError(name, -result);
    return result;
  }

  /** Best effort: a process that cannot start in its cgroup starts outside of it. */
  #runInCgroup(
    calls: readonly ChildCall[],
    memory: Memory,
    { launch: { cgroup, file }, open }: { launch: Launch; open: number[] },
  ): Omit<Launched, 'sandbox'> {
    let cgroupProblem: string | null = null;
    if (cgroup !== null) {
      try {
        return { pid: this.#enterCgroup(calls, memory, { cgroup, file, open }), cgroupProblem };
      } catch (error) {
        const { path, message } = error as NodeJS.ErrnoException;
        if (path === file) throw error;
        cgroupProblem = message;
      }
    }
    return { pid: runCalls(this.#libc, calls, memory, file), cgroupProblem };
  }

  /** With clone3(2), which a seccomp filter of this process may deny; otherwise the child moves itself. */
  #enterCgroup(
    calls: readonly ChildCall[],
    memory: Memory,
    { cgroup, file, open }: { cgroup: string; file: string; open: number[] },
  ): number {
    if (!this.#isClone3Denied) {
      try {
        const directory = keep(open, openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY));
        return runCalls(this.#libc, calls, memory, file, directory);
      } catch (error) {
        const { code, syscall } = error as NodeJS.ErrnoException;
        if (syscall !== CLONE3 || (code !== 'ENOSYS' && code !== 'EPERM')) throw error;
        this.#isClone3Denied = true;
      }
    }
    const processes = keep(open, openSync(join(cgroup, 'cgroup.procs'), 'w'));
    const enter = { name: 'cgroup', number: SYSCALL.write, args: [processes, memory.text('0'), 1] };
    return runCalls(this.#libc, [enter, ...calls], memory, file);
  }
}

/** `files` and `full` differ in what Landlock restricts beside files. */
function landlockVersionOf(level: 'files' | 'full', version: number): number {
  return level === 'full' ? version : Math.min(version, LANDLOCK_VERSION.truncate);
}

/** Read at the first launch, when all handlers of the process are set. */
let signalsToReset: number[] | null = null;

/** Signals that this process ignores, as the program would too, or whose handlers must not run in the child. */
function changedSignals(): number[] {
  const changed = ownMask('SigIgn') | ownMask('SigCgt');
  return Array.from({ length: LAST_SIGNAL }, (_, index) => index + 1).filter(
    (signal) => (changed >> BigInt(signal - 1)) % 2n === 1n,
  );
}

let permittedCapabilities: bigint | null = null;

/** Calls that every child makes: its own session, standard files, and signals as at the start of a program. */
function processCalls(
  memory: Memory,
  {
    input,
    log,
    nice,
    endsWithParent,
  }: { input: number; log: number; nice: number | null; endsWithParent: boolean },
): ChildCall[] {
  const action = memory.bytes(Buffer.from(DEFAULT_ACTION));
  const noSignals = memory.bytes(Buffer.alloc(SIGNAL_SET_BYTES));
  signalsToReset ??= changedSignals();
  return [
    ...signalsToReset.map((signal) => ({
      name: 'rt_sigaction',
      number: SYSCALL.rt_sigaction,
      args: [signal, action, 0, SIGNAL_SET_BYTES],
    })),
    // In a new process group: a Ctrl-C in the terminal goes to the daemon only.
    { name: 'setsid', number: SYSCALL.setsid, args: [] },
    // Before the program creates threads, which inherit it.
    ...(nice === null ? [] : [setPriority(nice)]),
    ...(endsWithParent ? [killWithParent()] : []),
    { name: 'dup2', number: SYSCALL.dup2, args: [input, 0] },
    { name: 'dup2', number: SYSCALL.dup2, args: [log, 1] },
    { name: 'dup2', number: SYSCALL.dup2, args: [log, 2] },
    {
      name: 'rt_sigprocmask',
      number: SYSCALL.rt_sigprocmask,
      args: [SIG_SETMASK, noSignals, 0, SIGNAL_SET_BYTES],
    },
  ];
}

/** Encoded once. */
const FILTERS = {
  plain: syscallFilter({ truncation: false }),
  withTruncation: syscallFilter({ truncation: true }),
};

function restrictCalls(
  memory: Memory,
  {
    ruleset,
    beforeFilter = [],
    truncation,
  }: { ruleset: number | null; beforeFilter?: ChildCall[]; truncation: boolean },
): ChildCall[] {
  const filter = truncation ? FILTERS.withTruncation : FILTERS.plain;
  const { description, program } = describeFilter(memory, filter);
  return [
    ...dropCapabilities(memory),
    noNewPrivileges(),
    ...(ruleset === null
      ? []
      : [{ name: 'landlock_restrict_self', number: SYSCALL.landlock_restrict_self, args: [ruleset, 0] }]),
    ...beforeFilter,
    ...filter.pidOffsets.map((offset) => ({
      name: 'getpid',
      number: SYSCALL.getpid,
      args: [],
      storeAt: program + BigInt(offset),
    })),
    {
      name: 'seccomp',
      number: SYSCALL.seccomp,
      args: [SECCOMP_SET_MODE_FILTER, 0, description],
    },
  ];
}

/** The capabilities of a daemon that runs as root would get around the sandbox. */
function dropCapabilities(memory: Memory): ChildCall[] {
  permittedCapabilities ??= ownMask('CapPrm');
  const kept = permittedCapabilities & KEPT_CAPABILITIES;
  if (kept === permittedCapabilities) return [];
  return [{ name: 'capset', number: SYSCALL.capset, args: capsetArguments(memory, kept) }];
}

/** Restricts a child, as a launch does, and ends it. */
function probeSupport(libc: Libc): HostSupport {
  const version = libc.syscall(SYSCALL.landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION);
  const host: HostSupport = {
    libcProblem: null,
    landlock: Math.max(0, version),
    landlockProblem: version < 0 ? getSystemErrorName(version) : null,
    seccompProblem: tryRestriction(libc, null),
  };
  if (host.landlock === 0 || host.seccompProblem !== null) return host;
  const attributes = rulesetAttributes(host.landlock);
  const ruleset = libc.syscall(
    SYSCALL.landlock_create_ruleset,
    libc.addressOf(attributes),
    attributes.length,
    0,
  );
  if (ruleset < 0) return { ...host, landlock: 0, landlockProblem: getSystemErrorName(ruleset) };
  try {
    const landlockProblem = tryRestriction(libc, ruleset);
    return landlockProblem === null ? host : { ...host, landlock: 0, landlockProblem };
  } finally {
    closeSync(ruleset);
  }
}

function tryRestriction(libc: Libc, ruleset: number | null): string | null {
  const memory = new Memory(libc);
  const calls = [
    ...restrictCalls(memory, { ruleset, truncation: false }),
    { name: 'exit', number: SYSCALL.exit_group, args: [0] },
  ];
  try {
    waitForExit(libc, runCalls(libc, calls, memory, ''));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function openLock(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_NOCTTY, 0o666);
}

/** Null for a path that does not exist or cannot be reached. */
function openPath(path: string): number | null {
  try {
    return openForRule(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'ELOOP') return null;
    throw error;
  }
}

function keep(open: number[], fd: number): number {
  open.push(fd);
  return fd;
}
