import { closeSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { listeningSockets } from '../process/procfs.ts';
import type { Libc } from '../sandbox/libc.ts';
import { required } from '../sandbox/run-calls.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2_000_000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
/** Connections that wait for a process. Go uses the same, and the kernel's `somaxconn` limits it. */
export const BACKLOG = 4096;
const MAPPED_GROUP = 5;
const MAPPED = 0xffff;
const ANY_IPV4 = '0.0.0.0';
const ANY_IPV6 = '::';

/**
 * Opens a listening socket. Only a process that accepts from it answers.
 *
 * @param address an IP address. For 0.0.0.0 it also accepts IPv6, as PocketBase does
 * @throws an Error with the code of the system call, such as `EADDRINUSE`
 */
export function openListeningSocket(libc: Libc, address: string, port: number): number {
  if (address !== ANY_IPV4) return open(libc, socketAddress(address, port));
  try {
    return open(libc, socketAddress(ANY_IPV6, port));
  } catch (error) {
    // The host has no IPv6.
    if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return open(libc, socketAddress(ANY_IPV4, port));
  }
}

interface SocketAddress {
  family: number;
  /** `struct sockaddr_in` or `struct sockaddr_in6`. */
  bytes: Buffer;
  /** Whether an IPv6 socket accepts IPv4 as well. */
  both: boolean;
}

function open(libc: Libc, { family, bytes, both }: SocketAddress): number {
  const fd = required('socket', libc.syscall(SYSCALL.socket, family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0));
  try {
    setOption(libc, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === AF_INET6) setOption(libc, fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? 0 : 1);
    required('bind', libc.syscall(SYSCALL.bind, fd, libc.addressOf(bytes), bytes.length));
    required('listen', libc.syscall(SYSCALL.listen, fd, BACKLOG));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function setOption(libc: Libc, fd: number, level: number, option: number, value: number): void {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value, 0);
  const result = libc.syscall(SYSCALL.setsockopt, fd, level, option, libc.addressOf(buffer), buffer.length);
  required('setsockopt', result);
}

/** A connection is accepted when its client has sent something, or after this time in seconds. */
const DEFER_S = 10;
export const IPPROTO_TCP = 6;
const TCP_DEFER_ACCEPT = 9;

/** Whether connections without a request wait in the kernel, so that a port scan wakes nothing. */
export function deferSilentConnections(libc: Libc, socket: number, defer: boolean): void {
  setOption(libc, socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, defer ? DEFER_S : 0);
}

const POLL_IN = 1;

/** Whether a connection waits to be accepted. */
export function hasWaitingConnection(libc: Libc, socket: number): boolean {
  const request = Buffer.alloc(8);
  request.writeInt32LE(socket, 0);
  request.writeInt16LE(POLL_IN, 4);
  return required('poll', libc.syscall(SYSCALL.poll, libc.addressOf(request), 1, 0)) > 0;
}

function socketAddress(address: string, port: number): SocketAddress {
  if (!isIPv6(address)) {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    Buffer.from(address.split('.').map(Number)).copy(bytes, 4);
    return { family: AF_INET, bytes, both: false };
  }
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  const all = ipv6Groups(address);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, 8 + 2 * index);
  // In the form ::ffff:127.0.0.1 it is an IPv4 address.
  return { family: AF_INET6, bytes, both: address === ANY_IPV6 || all[MAPPED_GROUP] === MAPPED };
}

/** The eight groups of an IPv6 address. */
function ipv6Groups(address: string): number[] {
  // The URL parser writes an address at the end, such as ::ffff:127.0.0.1, in hexadecimal groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const first = groups(head);
  const last = groups(tail);
  return [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
}

function groups(text: string | undefined): number[] {
  return text === undefined || text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** The port in a `struct sockaddr_in` or `struct sockaddr_in6`; null for another family. */
export function portOfSocketAddress(bytes: Buffer): number | null {
  if (bytes.length < 4) return null;
  const family = bytes.readUInt16LE(0);
  return family === AF_INET || family === AF_INET6 ? bytes.readUInt16BE(2) : null;
}

/**
 * Takes a copy of the listening socket of another process, which the kernel allows for a process that could be traced.
 * Null when the process has no such socket, or when the kernel does not allow it.
 */
export function takeListeningSocket(libc: Libc, pid: number, port: number): number | null {
  const listening = listeningSockets(pid).find((socket) => socket.port === port);
  if (!listening) return null;
  const process = libc.syscall(SYSCALL.pidfd_open, pid, 0);
  if (process < 0) return null;
  try {
    const taken = libc.syscall(SYSCALL.pidfd_getfd, process, listening.fd, 0);
    return taken < 0 ? null : taken;
  } finally {
    closeSync(process);
  }
}
