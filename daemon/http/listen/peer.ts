import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { messageOf } from '../../../shared/errors.ts';

/** The process at the other end of a local connection, as it was when it connected: SO_PEERCRED of unix(7). */
export interface Peer {
  /** 0 for a process in a PID namespace that this process does not see. */
  pid: number;
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups: readonly number[];
}

/** Reads the other end of sockets, which Node does not offer. */
export interface SocketReader {
  /** @throws the error of getsockopt(2) */
  peerOf(fd: number): Peer;
  /** The path of a listening socket; null when it has none. */
  pathOf(fd: number): string | null;
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
const ERANGE = 34;
const GROUPS_BYTES = 4096;
const ADDRESS_BYTES = 110;
const PATH_AT = 2;

/** @returns why sockets cannot be read, if they cannot */
export async function loadSocketReader(): Promise<SocketReader | { problem: string }> {
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load('libc.so.6');
    const getsockopt = libc.func('int getsockopt(int, int, int, void *, void *)');
    const getsockname = libc.func('int getsockname(int, void *, void *)');
    /** The value of an option. The kernel returns the size that it needs when the buffer is too small. */
    const readOption = (fd: number, option: number, size: number): Buffer => {
      const value = Buffer.alloc(size);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(size);
      if (getsockopt(fd, SOL_SOCKET, option, value, length) === 0)
        return value.subarray(0, length.readUInt32LE());
      const error = koffi.errno();
      const needed = length.readUInt32LE();
      if (error === ERANGE && needed > size) return readOption(fd, option, needed);
      const code = getSystemErrorName(-error);
      throw Object.assign(new Error(`getsockopt ${code}`), { code });
    };
    return {
      peerOf: (fd) => {
        const credentials = readOption(fd, SO_PEERCRED, 12);
        const groups = readOption(fd, SO_PEERGROUPS, GROUPS_BYTES);
        return {
          pid: credentials.readInt32LE(0),
          uid: credentials.readUInt32LE(4),
          gid: credentials.readUInt32LE(8),
          groups: Array.from({ length: groups.length / 4 }, (_, index) => groups.readUInt32LE(index * 4)),
        };
      },
      pathOf: (fd) => {
        const address = Buffer.alloc(ADDRESS_BYTES);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(ADDRESS_BYTES);
        if (getsockname(fd, address, length) !== 0) return null;
        const path = address.toString('utf8', PATH_AT, length.readUInt32LE());
        return path.startsWith('/') ? path.replace(/\0.*$/s, '') : null;
      },
    };
  } catch (error) {
    return { problem: messageOf(error).split('\n')[0] ?? '' };
  }
}

/** The file descriptor of a connection; null when it is closed. */
export function descriptorOf(socket: Socket): number | null {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null };
  const fd = handle?.fd ?? -1;
  return fd < 0 ? null : fd;
}

const users = new WeakMap<Socket, number>();

/** Stores the user of the process at the other end of a connection. */
export function setPeerUser(socket: Socket, uid: number): void {
  users.set(socket, uid);
}

/** The user of the process at the other end of a local connection; null when it is unknown. */
export function peerUserOf(socket: Socket): number | null {
  return users.get(socket) ?? null;
}
