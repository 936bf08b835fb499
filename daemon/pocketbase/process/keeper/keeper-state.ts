import { closeSync, readFileSync, writeSync } from 'node:fs';
import { Memory } from '../../sandbox/call-memory.ts';
import type { Libc } from '../../sandbox/libc.ts';
import { F_SETFD, FD_CLOEXEC, required } from '../../sandbox/run-calls.ts';
import { SYSCALL } from '../../sandbox/syscall-filter.ts';
import type { HeldPortStates } from '../../sockets/held-ports.ts';
import type { HandoverState } from '../../sockets/socket-handover.ts';
import type { SpawnCommand, Wake } from './keeper-protocol.ts';

export interface RunningChild {
  pid: number;
  startTime: number;
  port: number | null;
}

/** What a keeper hands to the program that it becomes. Descriptors are numbers of open files. */
export interface KeeperState {
  version: 1;
  children: RunningChild[];
  ports: HeldPortStates;
  handovers: HandoverState[];
  /** How to start the processes of sleeping databases, by port. */
  sleeping?: [port: number, command: SpawnCommand][];
  /** Wakes that no daemon knows yet. */
  wakes?: Wake[];
  /** Ports of databases that could not be started. */
  failed?: number[];
  /** The end of the lease, in boot time. */
  lease?: number | null;
}

/** Writes the state into a file in memory, which stays open across execve(2). Returns its descriptor. */
export function writeState(libc: Libc, state: KeeperState): number {
  const memory = new Memory(libc);
  const fd = required('memfd_create', libc.syscall(SYSCALL.memfd_create, memory.text('keeper'), 0));
  writeSync(fd, JSON.stringify(state));
  for (const descriptor of descriptorsOf(state)) setCloseOnExec(libc, descriptor, false);
  return fd;
}

/** Reads the state of the program that this one replaces. Null for a state of another version. */
export function readState(libc: Libc, fd: number): KeeperState | null {
  const state = JSON.parse(readFileSync(`/proc/self/fd/${fd}`, 'utf8')) as KeeperState;
  closeSync(fd);
  if (state.version !== 1) return null;
  for (const descriptor of descriptorsOf(state)) setCloseOnExec(libc, descriptor, true);
  return state;
}

function descriptorsOf({ ports, handovers }: KeeperState): number[] {
  return [...ports.map(({ socket }) => socket), ...handovers.map(({ notifications }) => notifications)];
}

function setCloseOnExec(libc: Libc, fd: number, on: boolean): void {
  required('fcntl', libc.syscall(SYSCALL.fcntl, fd, F_SETFD, on ? FD_CLOEXEC : 0));
}
