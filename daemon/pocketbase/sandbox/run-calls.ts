import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { Memory } from './call-memory.ts';
import { type ChildCall, encodeCalls, failedCall } from './child-calls.ts';
import type { Libc } from './libc.ts';
import { SYSCALL } from './syscall-filter.ts';

const SIGCHLD = 17;
const CLONE_VM_VFORK = 0x4000 | 0x100;
const CLONE_INTO_CGROUP = 0x2_0000_0000n;
/** The size of `struct clone_args` with `cgroup`, its last field. */
const CLONE_ARGS_BYTES = 88;
const CLONE_ARGS_EXIT_SIGNAL_AT = 32;
const CLONE_ARGS_CGROUP_AT = 80;
export const SIG_SETMASK = 2;
export const SIGNAL_SET_BYTES = 8;
/** The name of the call in an error. */
export const CLONE3 = 'clone3';

const PR_SET_PDEATHSIG = 1;
export const PR_SET_NO_NEW_PRIVS = 38;
/** Of fcntl(2): the flags of a descriptor, of which there is one. */
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
const CAPABILITY_VERSION = 0x2008_0522;

/** The arguments of execve(2). @param argv with the name of the program */
export function execArguments(
  memory: Memory,
  { file, argv, env }: { file: string; argv: readonly string[]; env: NodeJS.ProcessEnv },
): bigint[] {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [memory.text(file), memory.texts(argv), memory.texts(variables)];
}

/** A mask in the status of this process, see proc(5). */
export function ownMask(name: string): bigint {
  const status = readFileSync('/proc/self/status', 'utf8');
  return BigInt(`0x${new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? 0}`);
}

/** The arguments of capset(2) for a process that keeps these capabilities and gives none to its children. */
export function capsetArguments(memory: Memory, kept: bigint): bigint[] {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION, 0);
  const [low, high] = [Number(kept & 0xffff_ffffn), Number(kept >> 32n)];
  /** Effective, permitted and inheritable, first the lower halves and then the upper ones. */
  const sets = Buffer.alloc(24);
  for (const [index, value] of [low, low, 0, high, high, 0].entries()) sets.writeUInt32LE(value, index * 4);
  return [memory.bytes(header), memory.bytes(sets)];
}

/** It stays set across execve(2), except for a program that gains privileges. */
export function killWithParent(): ChildCall {
  return {
    name: 'pdeathsig',
    number: SYSCALL.prctl,
    args: [PR_SET_PDEATHSIG, constants.signals.SIGKILL, 0, 0, 0],
  };
}

/** The kernel accepts filters only from a process that can gain no privileges. */
export function noNewPrivileges(): ChildCall {
  return { name: 'no_new_privs', number: SYSCALL.prctl, args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0] };
}

/** A call that clones this process, with its first two arguments. */
function cloneCall(memory: Memory, cgroup: number | null): { name: string; args: [number, bigint, bigint] } {
  if (cgroup === null) {
    return { name: 'clone', args: [SYSCALL.clone, BigInt(CLONE_VM_VFORK | SIGCHLD), 0n] };
  }
  const args = Buffer.allocUnsafeSlow(CLONE_ARGS_BYTES).fill(0);
  args.writeBigUInt64LE(BigInt(CLONE_VM_VFORK) | CLONE_INTO_CGROUP, 0);
  args.writeBigUInt64LE(BigInt(SIGCHLD), CLONE_ARGS_EXIT_SIGNAL_AT);
  args.writeBigUInt64LE(BigInt(cgroup), CLONE_ARGS_CGROUP_AT);
  return { name: CLONE3, args: [SYSCALL.clone3, memory.bytes(args), BigInt(CLONE_ARGS_BYTES)] };
}

/**
 * Clones this process and makes the calls in the child. Returns its pid.
 *
 * @param cgroup the descriptor of the directory of the child's cgroup
 * @throws the error of the call that failed
 */
export function runCalls(
  libc: Libc,
  calls: readonly ChildCall[],
  memory: Memory,
  file: string,
  cgroup: number | null = null,
): number {
  const clone = cloneCall(memory, cgroup);
  const list = encodeCalls(calls);
  const start = memory.bytes(list);
  // A handler of Node must not run in the child.
  const all = Buffer.alloc(SIGNAL_SET_BYTES, 0xff);
  const before = Buffer.alloc(SIGNAL_SET_BYTES);
  const mask = (set: Buffer, old: Buffer | null) =>
    libc.syscall(
      SYSCALL.rt_sigprocmask,
      SIG_SETMASK,
      libc.addressOf(set),
      old === null ? 0 : libc.addressOf(old),
      SIGNAL_SET_BYTES,
    );
  mask(all, before);
  let pid: number;
  try {
    pid = libc.cloneAndCall({ start, end: start + BigInt(list.length) }, ...clone.args);
  } finally {
    mask(before, null);
  }
  if (pid < 0) throw Object.assign(systemError(clone.name, -pid), { syscall: clone.name });
  const failed = failedCall(calls, list);
  if (failed === null) return pid;
  waitForExit(libc, pid);
  throw failed.name === 'execve'
    ? Object.assign(systemError(`spawn ${file}`, failed.error), { path: file })
    : systemError(`the sandbox of the process: ${failed.name}`, failed.error);
}

export function waitForExit(libc: Libc, pid: number): void {
  libc.syscall(SYSCALL.wait4, pid, 0, 0, 0);
}

/** Returns the result of a system call. @throws an error with its code */
export function required(call: string, result: number): number {
  if (result < 0) throw systemError(call, -result);
  return result;
}

export function systemError(what: string, error: number): Error {
  const code = getSystemErrorName(-error);
  return Object.assign(new Error(`${what} ${code}`), { code });
}

/** setpriority(2): the calling thread. */
const PRIO_PROCESS = 0;

/** Tries it with the priority that this process has: getpriority(2) returns 20 minus the nice value. */
export function maySetPriority(libc: Libc): boolean {
  const nice = 20 - libc.syscall(SYSCALL.getpriority, PRIO_PROCESS, 0);
  return libc.syscall(SYSCALL.setpriority, PRIO_PROCESS, 0, nice) === 0;
}

export function setPriority(nice: number): ChildCall {
  return { name: 'setpriority', number: SYSCALL.setpriority, args: [PRIO_PROCESS, 0, nice] };
}
