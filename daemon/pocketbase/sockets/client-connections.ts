import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import type { Libc } from '../sandbox/libc.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';
import { IPPROTO_TCP, portOfSocketAddress } from './listening-socket.ts';

/** `quiet`: no request is in progress, as far as their sockets show. */
export type ConnectionState = 'quiet' | 'busy';

/** A connection on which something was sent or received in this time is in use. */
const QUIET_MS = 1_000;

const TCP_INFO = 11;
const FIONREAD = 0x541b;
const TIOCOUTQ = 0x5411;
/** `struct tcp_info` of linux/tcp.h: where its fields are. */
const INFO_BYTES = 160;
const STATE_AT = 0;
const LAST_DATA_SENT_AT = 44;
const LAST_DATA_RECEIVED_AT = 52;
const BYTES_RECEIVED_AT = 128;
const DATA_SEGMENTS_SENT_AT = 156;
const ESTABLISHED = 1;
const CLOSE_WAIT = 8;
const LISTEN = 10;

/**
 * Looks at the connections of a stopped (SIGSTOP) process with the clients of a port. Sockets of another kind, such as
 * connections to a mail server, and those that the kernel does not show count as busy.
 */
export function clientConnections(libc: Libc, pid: number, port: number): ConnectionState {
  const process = libc.syscall(SYSCALL.pidfd_open, pid, 0);
  if (process < 0) return 'busy';
  try {
    return socketsOf(pid).every((fd) => isQuiet(libc, process, { fd, port })) ? 'quiet' : 'busy';
  } finally {
    closeSync(process);
  }
}

function socketsOf(pid: number): number[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory)
    .filter((fd) => readlinkSync(`${directory}/${fd}`).startsWith('socket:'))
    .map(Number);
}

function isQuiet(libc: Libc, process: number, { fd, port }: { fd: number; port: number }): boolean {
  const socket = libc.syscall(SYSCALL.pidfd_getfd, process, fd, 0);
  if (socket < 0) return false;
  try {
    const info = tcpInfo(libc, socket);
    if (info === null || localPort(libc, socket) !== port) return false;
    const state = info.readUInt8(STATE_AT);
    if (state === LISTEN) return true;
    if (state !== ESTABLISHED && state !== CLOSE_WAIT) return false;
    return !hasBytes(libc, socket, FIONREAD) && !hasBytes(libc, socket, TIOCOUTQ) && hasAnswered(info);
  } finally {
    closeSync(socket);
  }
}

/** Whether the last request has its response. Times are ages in milliseconds. */
function hasAnswered(info: Buffer): boolean {
  const [sent, received] = [info.readUInt32LE(LAST_DATA_SENT_AT), info.readUInt32LE(LAST_DATA_RECEIVED_AT)];
  if (Math.min(sent, received) < QUIET_MS) return false;
  if (info.readBigUInt64LE(BYTES_RECEIVED_AT) === 0n) return true;
  // Ages have a resolution of some milliseconds: a first request may be as old as its connection.
  return info.readUInt32LE(DATA_SEGMENTS_SENT_AT) > 0 && sent <= received;
}

/** Null for a socket that is not one of TCP. */
function tcpInfo(libc: Libc, socket: number): Buffer | null {
  const info = Buffer.alloc(INFO_BYTES);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(info.length, 0);
  const result = libc.syscall(
    SYSCALL.getsockopt,
    socket,
    IPPROTO_TCP,
    TCP_INFO,
    libc.addressOf(info),
    libc.addressOf(size),
  );
  return result === 0 && size.readUInt32LE(0) === INFO_BYTES ? info : null;
}

function localPort(libc: Libc, socket: number): number | null {
  const address = Buffer.alloc(28);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(address.length, 0);
  const result = libc.syscall(SYSCALL.getsockname, socket, libc.addressOf(address), libc.addressOf(size));
  return result === 0 ? portOfSocketAddress(address) : null;
}

function hasBytes(libc: Libc, socket: number, request: number): boolean {
  const count = Buffer.alloc(4);
  return (
    libc.syscall(SYSCALL.ioctl, socket, request, libc.addressOf(count)) !== 0 || count.readInt32LE(0) !== 0
  );
}
