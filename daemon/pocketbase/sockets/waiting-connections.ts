import { closeSync } from 'node:fs';
import type { Libc } from '../sandbox/libc.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';
import { AF_INET, AF_INET6, IPPROTO_TCP } from './listening-socket.ts';

/*
 * Connections in the queue of a listening socket, as sock_diag(7) lists them. To accept one is the only other way to look at
 * it, and it could not be given to PocketBase then. A look takes 0.6 ms, also with 10,000 listening sockets.
 */

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2_000_000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_HEADER = 16;
/** `struct inet_diag_req_v2`. */
const REQUEST_BYTES = 56;
const ALL_STATES = 0xfff;
/** Offsets in `struct inet_diag_msg`. */
const STATE_AT = 1;
const SOURCE_PORT_AT = 4;
const RECEIVED_AT = 56;
const INODE_AT = 68;
const ESTABLISHED = 1;
const CLOSE_WAIT = 8;
const LISTEN = 10;
const ANSWER_BYTES = 64 * 1024;

export interface Waiting {
  /** Connections that can be accepted. */
  count: number;
  /** Whether one of them has sent something, or is still open. */
  hasClient: boolean;
}

/** The connections that wait at a port which no process accepts; null when the kernel does not say. */
export function waitingConnections(libc: Libc, port: number): Waiting | null {
  const netlink = libc.syscall(SYSCALL.socket, AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return null;
  try {
    const waiting: Waiting = { count: 0, hasClient: false };
    for (const family of [AF_INET, AF_INET6]) {
      const request = requestOf(family, port);
      const sent = libc.syscall(SYSCALL.sendto, netlink, libc.addressOf(request), request.length);
      if (sent < 0 || !readAnswers(libc, netlink, port, waiting)) return null;
    }
    return waiting;
  } finally {
    closeSync(netlink);
  }
}

function requestOf(family: number, port: number): Buffer {
  const request = Buffer.alloc(NLMSG_HEADER + REQUEST_BYTES);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  request.writeUInt8(family, NLMSG_HEADER);
  request.writeUInt8(IPPROTO_TCP, NLMSG_HEADER + 1);
  request.writeUInt32LE(ALL_STATES, NLMSG_HEADER + 4);
  request.writeUInt16BE(port, NLMSG_HEADER + 8);
  return request;
}

/** Adds the sockets of the answers. False when they are not complete. */
function readAnswers(libc: Libc, netlink: number, port: number, waiting: Waiting): boolean {
  const answer = Buffer.alloc(ANSWER_BYTES);
  for (;;) {
    const length = libc.syscall(SYSCALL.recvfrom, netlink, libc.addressOf(answer), answer.length);
    if (length < NLMSG_HEADER) return false;
    for (let at = 0; at + NLMSG_HEADER <= length; ) {
      const type = answer.readUInt16LE(at + 4);
      if (type === NLMSG_DONE) return true;
      if (type === NLMSG_ERROR) return false;
      const socket = answer.subarray(at + NLMSG_HEADER);
      if (socket.readUInt16BE(SOURCE_PORT_AT) === port) addSocket(waiting, socket);
      at += (answer.readUInt32LE(at) + 3) & ~3;
    }
  }
}

function addSocket(waiting: Waiting, socket: Buffer): void {
  const state = socket.readUInt8(STATE_AT);
  const received = socket.readUInt32LE(RECEIVED_AT);
  // Of a listening socket, it is the number of connections in the queue.
  if (state === LISTEN) waiting.count += received;
  // A socket of a process has an inode.
  else if (socket.readUInt32LE(INODE_AT) === 0) {
    // The end of a connection counts as one byte.
    waiting.hasClient ||= state === ESTABLISHED || (state === CLOSE_WAIT && received > 1);
  }
}

/** Accepts some connections, the oldest first, and closes them. Returns how many there were. */
export function closeWaiting(libc: Libc, socket: number, count: number): number {
  for (let closed = 0; closed < count; closed += 1) {
    const connection = libc.syscall(SYSCALL.accept4, socket, 0, 0, 0);
    if (connection < 0) return closed;
    closeSync(connection);
  }
  return count;
}
