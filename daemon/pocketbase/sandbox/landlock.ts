/** Structures of Landlock, see landlock(7). The kernel restricts a process to the files and ports of a ruleset. */

/** Of landlock_create_ruleset(2): returns the version instead of a ruleset. */
export const LANDLOCK_CREATE_RULESET_VERSION = 1;

const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const REMOVE_DIR = 1 << 4;
const REMOVE_FILE = 1 << 5;
const MAKE_DIR = 1 << 7;
const MAKE_REG = 1 << 8;
const REFER = 1 << 13;
const TRUNCATE = 1 << 14;
const IOCTL_DEV = 1 << 15;

const BIND_TCP = 1 << 0;
const CONNECT_TCP = 1 << 1;

const ABSTRACT_UNIX_SOCKET = 1 << 0;
const SIGNAL = 1 << 1;

/** Landlock rules for one right on a path each. */
const PATH_RULE = 1;
const PORT_RULE = 2;

/** What a process may do with a path and everything below it. */
export type Access = 'read' | 'execute' | 'write' | 'device' | 'all';

const ACCESS: Record<Access, number> = {
  read: READ_FILE | READ_DIR,
  execute: READ_FILE | EXECUTE,
  // No links and no special files: nothing that leads a program with more rights to another place.
  write:
    READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER,
  device: READ_FILE | WRITE_FILE,
  all: IOCTL_DEV * 2 - 1,
};

/** Rights that a file, which is no directory, can have. */
const FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/** The version of Landlock that brought a restriction. */
export const LANDLOCK_VERSION = { refer: 2, truncate: 3, ports: 4, signals: 6 } as const;

/** All rights on files that a version knows. */
function knownRights(version: number): number {
  const last = version >= 5 ? IOCTL_DEV : version >= LANDLOCK_VERSION.truncate ? TRUNCATE : REFER;
  return last * 2 - 1;
}

/**
 * `struct landlock_ruleset_attr`: everything that this version can restrict.
 *
 * @param limitsConnections whether TCP connections to other programs are restricted as well
 */
export function rulesetAttributes(version: number, { limitsConnections = false } = {}): Buffer {
  const size = version >= LANDLOCK_VERSION.signals ? 24 : version >= LANDLOCK_VERSION.ports ? 16 : 8;
  const attributes = Buffer.allocUnsafeSlow(24).fill(0);
  attributes.writeBigUInt64LE(BigInt(knownRights(version)), 0);
  attributes.writeBigUInt64LE(BigInt(limitsConnections ? BIND_TCP | CONNECT_TCP : BIND_TCP), 8);
  attributes.writeBigUInt64LE(BigInt(ABSTRACT_UNIX_SOCKET | SIGNAL), 16);
  return attributes.subarray(0, size);
}

/** The same for a process that may use every port and service: files, and signals to others. */
export function fileRulesetAttributes(version: number): Buffer {
  const attributes = Buffer.from(rulesetAttributes(version));
  if (attributes.length > 8) attributes.writeBigUInt64LE(0n, 8);
  if (attributes.length > 16) attributes.writeBigUInt64LE(BigInt(SIGNAL), 16);
  return attributes;
}

/** A rule for landlock_add_rule(2). */
export interface Rule {
  type: number;
  attributes: Buffer;
}

/** `struct landlock_path_beneath_attr` */
export function pathRule(access: Access, file: { fd: number; isDirectory: boolean }, version: number): Rule {
  const rights = ACCESS[access] & knownRights(version) & (file.isDirectory ? ~0 : FILE_RIGHTS);
  const attributes = Buffer.allocUnsafeSlow(12);
  attributes.writeBigUInt64LE(BigInt(rights), 0);
  attributes.writeInt32LE(file.fd, 8);
  return { type: PATH_RULE, attributes };
}

/** `struct landlock_net_port_attr`: the process may listen on the port, or connect to it. */
export function portRule(port: number, use: 'listen' | 'connect'): Rule {
  const attributes = Buffer.allocUnsafeSlow(16);
  attributes.writeBigUInt64LE(BigInt(use === 'listen' ? BIND_TCP : CONNECT_TCP), 0);
  attributes.writeBigUInt64LE(BigInt(port), 8);
  return { type: PORT_RULE, attributes };
}
