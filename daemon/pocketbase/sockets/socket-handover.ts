import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../../../shared/errors.ts';
import { Memory } from '../sandbox/call-memory.ts';
import type { ChildCall } from '../sandbox/child-calls.ts';
import {
  ALLOW,
  ARCHITECTURE,
  ARCHITECTURE_AT,
  describeFilter,
  encodeFilter,
  type FilterProgram,
  JUMP_IF_EQUAL,
  LOAD,
  NUMBER_AT,
  RETURN,
  step,
} from '../sandbox/filter-program.ts';
import type { Libc } from '../sandbox/libc.ts';
import { noNewPrivileges, required, runCalls, waitForExit } from '../sandbox/run-calls.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';
import { portOfSocketAddress } from './listening-socket.ts';
import type { Readiness } from './readiness.ts';

/**
 * Gives PocketBase a listening socket that this process already holds. PocketBase knows nothing of it: a seccomp filter
 * stops its calls of bind(2) and listen(2) until this process has answered them (seccomp_unotify(2)). The answer to
 * bind(2) is success, and at listen(2) the held socket replaces the one of PocketBase. So connections that arrive before
 * PocketBase runs wait in the kernel, and none is refused.
 */

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
const USER_NOTIFICATION = 0x7fc0_0000;
const RECEIVE = 0xc050_2100;
const RESPOND = 0xc018_2101;
const ADD_DESCRIPTOR = 0x4018_2103;
const NOTIFICATION_BYTES = 80;
const RESPONSE_BYTES = 24;
/** The kernel makes the call of the process. */
const CONTINUE = 1;
/** The new descriptor replaces an open one. */
const REPLACE = 1;
const O_CLOEXEC = 0o2_000_000;

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | O_CLOEXEC;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT_CLOEXEC = 0x40 | 0x4000_0000;
const CONTROL_BYTES = 24;
const DESCRIPTOR_AT = 16;
const EAGAIN = 11;
const EACCES = 13;
const MAX_ADDRESS_BYTES = 28;

const FILTER: FilterProgram = encodeFilter([
  step(LOAD, ARCHITECTURE_AT),
  step(JUMP_IF_EQUAL, ARCHITECTURE, 0, 3),
  step(LOAD, NUMBER_AT),
  step(JUMP_IF_EQUAL, SYSCALL.bind, 2, 0),
  step(JUMP_IF_EQUAL, SYSCALL.listen, 1, 0),
  step(RETURN, ALLOW),
  step(RETURN, USER_NOTIFICATION),
]);

/** One process to which a socket is handed over. */
export interface Handover {
  port: number;
  /** The held socket; null when it was released in the meantime. */
  socket: () => number | null;
  /** Called right before the process listens. */
  onListen: () => void;
  /** Whether the process may listen on this port alone. */
  isOnly: boolean;
}

/** A process that is answered. */
export interface HandoverState {
  /** The descriptor of its filter. */
  notifications: number;
  port: number;
  /** See `Waiting`. */
  bound: number | null;
  /** See `Handover`. */
  isOnly: boolean;
}

interface Waiting extends Handover {
  /** The socket of the process whose bind(2) was answered. */
  bound: number | null;
}

/** The channel over which a child sends the descriptor of its filter. */
export interface HandoverChannel {
  calls: (memory: Memory) => ChildCall[];
  /** Starts to answer the child. Called after it has become the program. */
  begin: (handover: Handover) => void;
  close: () => void;
}

/** Hands sockets over to processes that start. */
export class SocketHandover {
  readonly #libc: Libc;
  readonly #readiness: Readiness;
  readonly #waiting = new Map<number, Waiting>();

  constructor(libc: Libc, readiness: Readiness) {
    this.#libc = libc;
    this.#readiness = readiness;
  }

  /** For one child. */
  channel(): HandoverChannel {
    const channel = openChannel(this.#libc);
    return {
      calls: (memory) => filterCalls(memory, channel.childs),
      begin: (handover) => {
        const notifications = receiveDescriptor(this.#libc, channel.own);
        if (notifications !== null) this.resume(notifications, handover, null);
      },
      close: () => closeChannel(channel),
    };
  }

  /** What the next program needs to answer the same processes. */
  state(): HandoverState[] {
    return Array.from(this.#waiting, ([notifications, { port, bound, isOnly }]) => ({
      notifications,
      port,
      bound,
      isOnly,
    }));
  }

  /** Continues to answer a process. */
  resume(notifications: number, handover: Handover, bound: number | null): void {
    this.#waiting.set(notifications, { ...handover, bound });
    this.#readiness.add(notifications, (ready) => {
      if (ready === 'readable') this.#answer(notifications);
      else this.#forget(notifications);
    });
  }

  /** The process has ended. */
  #forget(fd: number): void {
    this.#readiness.remove(fd);
    this.#waiting.delete(fd);
    closeSync(fd);
  }

  #answer(fd: number): void {
    const waiting = this.#waiting.get(fd);
    const request = Buffer.alloc(NOTIFICATION_BYTES);
    // The call may have ended in the meantime, for example with its process.
    if (this.#libc.syscall(SYSCALL.ioctl, fd, RECEIVE, this.#libc.addressOf(request)) < 0) return;
    const id = request.readBigUInt64LE(0);
    const pid = request.readUInt32LE(8);
    const number = request.readInt32LE(16);
    const [first, second, third] = [32, 40, 48].map((offset) => request.readBigUInt64LE(offset));
    const target = Number(first);
    let done = false;
    if (waiting && number === SYSCALL.bind) {
      done = readPort(pid, second ?? 0n, Number(third)) === waiting.port && waiting.socket() !== null;
      if (done) waiting.bound = target;
    } else if (waiting && number === SYSCALL.listen && waiting.bound === target) {
      const socket = waiting.socket();
      if (socket !== null) {
        waiting.onListen();
        done = this.#replaceDescriptor(fd, id, socket, target);
      }
    } else if (waiting?.isOnly === true && number === SYSCALL.listen) {
      // Landlock restricts bind(2). Without it, the kernel would choose a port.
      this.#respond(fd, id, { error: -EACCES, flags: 0 });
      return;
    }
    this.#respond(fd, id, { error: 0, flags: done ? 0 : CONTINUE });
  }

  #replaceDescriptor(fd: number, id: bigint, socket: number, target: number): boolean {
    const request = Buffer.alloc(24);
    request.writeBigUInt64LE(id, 0);
    request.writeUInt32LE(REPLACE, 8);
    request.writeUInt32LE(socket, 12);
    request.writeUInt32LE(target, 16);
    request.writeUInt32LE(O_CLOEXEC, 20);
    return this.#libc.syscall(SYSCALL.ioctl, fd, ADD_DESCRIPTOR, this.#libc.addressOf(request)) >= 0;
  }

  #respond(fd: number, id: bigint, { error, flags }: { error: number; flags: number }): void {
    const response = Buffer.alloc(RESPONSE_BYTES);
    response.writeBigUInt64LE(id, 0);
    response.writeInt32LE(error, 16);
    response.writeUInt32LE(flags, 20);
    // Fails when the process has ended; the next wait reports that.
    this.#libc.syscall(SYSCALL.ioctl, fd, RESPOND, this.#libc.addressOf(response));
  }
}

/** Why sockets cannot be handed over on this host; null when they can. Tries it with a child. */
export function handoverProblem(libc: Libc): string | null {
  const memory = new Memory(libc);
  try {
    const channel = openChannel(libc);
    try {
      const exit = { name: 'exit', number: SYSCALL.exit_group, args: [0] };
      const calls = [noNewPrivileges(), ...filterCalls(memory, channel.childs), exit];
      waitForExit(libc, runCalls(libc, calls, memory, ''));
      const descriptor = receiveDescriptor(libc, channel.own);
      if (descriptor === null) return 'the filter of a process was not received';
      closeSync(descriptor);
    } finally {
      closeChannel(channel);
    }
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** A pair of connected sockets. */
interface Channel {
  own: number;
  childs: number;
}

function openChannel(libc: Libc): Channel {
  const pair = Buffer.alloc(8);
  const result = libc.syscall(SYSCALL.socketpair, AF_UNIX, SOCK_DGRAM_CLOEXEC, 0, libc.addressOf(pair));
  required('socketpair', result);
  return { own: pair.readInt32LE(0), childs: pair.readInt32LE(4) };
}

function closeChannel({ own, childs }: Channel): void {
  closeSync(own);
  closeSync(childs);
}

/** Calls of a child that install the filter and send its descriptor to this process. */
function filterCalls(memory: Memory, channel: number): ChildCall[] {
  const control = Buffer.alloc(CONTROL_BYTES);
  control.writeBigUInt64LE(BigInt(DESCRIPTOR_AT + 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  const controlAt = memory.bytes(control);
  return [
    {
      name: 'seccomp',
      number: SYSCALL.seccomp,
      args: [
        SECCOMP_SET_MODE_FILTER,
        SECCOMP_FILTER_FLAG_NEW_LISTENER,
        describeFilter(memory, FILTER).description,
      ],
      storeAt: controlAt + BigInt(DESCRIPTOR_AT),
    },
    {
      name: 'sendmsg',
      number: SYSCALL.sendmsg,
      args: [channel, memory.bytes(message(memory, controlAt)), 0],
    },
  ];
}

/** `struct msghdr` with one byte of data and one control message. */
function message(memory: Memory, controlAt: bigint): Buffer {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(memory.bytes(Buffer.alloc(8)), 0);
  vector.writeBigUInt64LE(1n, 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(memory.bytes(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(controlAt, 32);
  header.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40);
  return header;
}

/** Null when the child has sent none, because it ended before. */
function receiveDescriptor(libc: Libc, channel: number): number | null {
  const memory = new Memory(libc);
  const control = Buffer.alloc(CONTROL_BYTES);
  const header = message(memory, memory.bytes(control));
  const received = libc.syscall(SYSCALL.recvmsg, channel, libc.addressOf(header), MSG_DONTWAIT_CLOEXEC);
  if (received === -EAGAIN) return null;
  required('recvmsg', received);
  return control.readInt32LE(DESCRIPTOR_AT);
}

/** The port in an address in the memory of a child; null when it cannot be read. */
function readPort(pid: number, address: bigint, length: number): number | null {
  const bytes = Buffer.alloc(Math.min(length, MAX_ADDRESS_BYTES));
  try {
    const file = openSync(`/proc/${pid}/mem`, 'r');
    try {
      readSync(file, bytes, 0, bytes.length, address);
    } finally {
      closeSync(file);
    }
  } catch {
    // The process has ended.
    return null;
  }
  return portOfSocketAddress(bytes);
}
