import { closeSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Access } from './landlock.ts';
import type { ProgramKind } from './level.ts';

/** A path that an instance may use, with everything below it. Missing paths are skipped. */
export interface VisiblePath {
  path: string;
  access: Access;
}

/** Settings of the host that Go and PocketBase read: names, certificates, time zones, types of files. */
const HOST_FILES = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/host.conf',
  '/etc/nsswitch.conf',
  '/etc/gai.conf',
  '/etc/services',
  '/etc/protocols',
  '/etc/localtime',
  '/etc/timezone',
  '/etc/mime.types',
  '/etc/apache2/mime.types',
  '/etc/httpd/conf/mime.types',
  '/usr/share/mime',
  '/usr/share/zoneinfo',
  '/usr/lib/zoneinfo',
  '/etc/zoneinfo',
  '/etc/ssl/certs',
  '/etc/ssl/cert.pem',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/tls',
  '/etc/pki/ca-trust/extracted',
  '/etc/ca-certificates/extracted',
  '/usr/share/ca-certificates',
  '/usr/local/share/ca-certificates',
  '/usr/share/pki',
  '/var/lib/ca-certificates',
  // The length of the queue of a listening socket, and the size of huge pages.
  '/proc/sys/net/core/somaxconn',
  '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size',
  '/dev/random',
  '/dev/urandom',
  '/dev/zero',
];

/** Directories with the libraries of a program that is not linked statically. */
const LIBRARIES = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib', '/etc/ld.so.cache'];

/** Programs that replace /etc/resolv.conf write the new file in such a directory. */
const RUNTIME_DIRECTORY = '/run/';

/** What every instance sees of the host. */
export function hostPaths(resolverFile = resolvedPath('/etc/resolv.conf')): VisiblePath[] {
  const resolver = resolverFile?.startsWith(RUNTIME_DIRECTORY) ? [dirname(resolverFile)] : [];
  return [
    { path: '/dev/null', access: 'device' },
    ...[...HOST_FILES, ...resolver].map((path) => ({ path, access: 'read' as const })),
  ];
}

/** What a program needs to be executed. */
export function programPaths(path: string, { interpreter }: Program): VisiblePath[] {
  return [
    { path, access: 'execute' },
    ...(interpreter === null
      ? []
      : [
          { path: interpreter, access: 'execute' as const },
          ...LIBRARIES.map((library) => ({ path: library, access: 'read' as const })),
        ]),
  ];
}

/** Directories of PocketBase that an administrator may have moved to another disk, with a symbolic link in their place. */
const MOVABLE = ['storage', 'backups'];
/** Never the target of such a link. */
const SYSTEM_DIRECTORIES = ['/etc', '/dev', '/proc', '/run', '/sys', '/usr'];

/** The targets of links in a data directory. A link into the fleet may be planted, and is not followed. */
export function linkedDirectories({
  dataDir,
  fleetDirectories,
}: {
  dataDir: string;
  fleetDirectories: readonly string[];
}): string[] {
  const forbidden = [...fleetDirectories.map((path) => resolvedPath(path) ?? path), ...SYSTEM_DIRECTORIES];
  const realDataDir = resolvedPath(dataDir) ?? dataDir;
  return MOVABLE.flatMap((name) => resolvedPath(join(realDataDir, name)) ?? []).filter(
    (target) =>
      !isInside(target, realDataDir) &&
      !forbidden.some((directory) => isInside(target, directory) || isInside(directory, target)),
  );
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

export interface Program {
  kind: ProgramKind;
  /** The dynamic linker of the program; null when it is linked statically. */
  interpreter: string | null;
}

const HEADER_BYTES = 4096;
const ELF_MAGIC = '\u007fELF';
const PROGRAM_HEADERS_AT = 32;
const HEADER_SIZE_AT = 54;
const HEADER_COUNT_AT = 56;
const PT_INTERP = 3;

/** Reads the kind of a program from its first bytes (elf(5), 64-bit). @throws the error of open(2) or read(2) */
export function readProgram(path: string): Program {
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(path, 'r');
  try {
    return parseProgram(header.subarray(0, readSync(fd, header, 0, HEADER_BYTES, 0)));
  } finally {
    closeSync(fd);
  }
}

export function parseProgram(bytes: Buffer): Program {
  if (bytes.length < 64 || bytes.toString('latin1', 0, 4) !== ELF_MAGIC) {
    return { kind: 'script', interpreter: null };
  }
  const start = Number(bytes.readBigUInt64LE(PROGRAM_HEADERS_AT));
  const size = bytes.readUInt16LE(HEADER_SIZE_AT);
  const offsets = Array.from(
    { length: bytes.readUInt16LE(HEADER_COUNT_AT) },
    (_, index) => start + index * size,
  ).filter((offset) => offset + size <= bytes.length);
  const found = offsets.find((offset) => bytes.readUInt32LE(offset) === PT_INTERP);
  if (found === undefined) return { kind: 'program', interpreter: null };
  const at = Number(bytes.readBigUInt64LE(found + 8));
  const length = Number(bytes.readBigUInt64LE(found + 32));
  return { kind: 'program', interpreter: bytes.toString('latin1', at, at + length).replace(/\0.*$/, '') };
}

export function resolvedPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

const O_PATH = 0o10_000_000;
const O_CLOEXEC = 0o2_000_000;

/** Opens a path for a rule of Landlock, without access to its content. @throws the error of open(2) */
export function openForRule(path: string): number {
  return openSync(path, O_PATH | O_CLOEXEC);
}
