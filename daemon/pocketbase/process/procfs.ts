import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Reads /proc (proc(5)). The result is null for a process that has ended or belongs to another user. */

/** USER_HZ: fixed at 100 on every Linux architecture that Node supports. */
const TICKS_PER_SECOND = 100;
const PARENT = 1;
const SESSION = 3;
const START_TIME = 19;
const RESIDENT_PAGES = 21;

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

/** The fields of `/proc/<pid>/stat` after the command name, which may contain spaces and parentheses. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

export interface ProcessStat {
  /** Clock ticks since boot. With the pid it identifies a process, because pids are reused. */
  startTime: number;
  parent: number;
  session: number;
  /** User and system time together. */
  cpuSeconds: number;
  /** Resident memory in pages of the host. */
  residentPages: number;
  /** One letter, as ps(1) shows it. */
  state: string;
  /** Ended, but its parent has not read the exit status yet. */
  zombie: boolean;
}

/** Errors of the daemon itself, which say nothing about the process. */
const OWN_ERRORS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Reads synchronously: this file never blocks, and the thread pool would cost more.
 *
 * @returns null when the process has ended, `unknown` when the daemon has no free file descriptor or memory
 */
function readStat(pid: number): ProcessStat | null | 'unknown' {
  let fields: string[];
  try {
    fields = fieldsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    return OWN_ERRORS.has((error as NodeJS.ErrnoException).code) ? 'unknown' : null;
  }
  return {
    startTime: Number(fields[START_TIME]),
    parent: Number(fields[PARENT]),
    session: Number(fields[SESSION]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentPages: Number(fields[RESIDENT_PAGES]),
    state: fields[0] ?? '',
    zombie: fields[0] === 'Z',
  };
}

/** The state of a thread: one letter, as ps(1) shows it. @throws the error of open(2) when it has ended */
export function threadState(pid: number, thread: string): string {
  return fieldsOf(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))[0] ?? '';
}

export function processStat(pid: number): ProcessStat | null {
  const stat = readStat(pid);
  return stat === 'unknown' ? null : stat;
}

/** Whether the process with that pid and start time is alive. True when it cannot be read. */
export function isAlive(pid: number, startTime: number): boolean {
  const stat = readStat(pid);
  if (stat === 'unknown') return true;
  return stat !== null && stat.startTime === startTime && !stat.zombie;
}

/** Whether a pid still belongs to the process with that start time, alive or zombie. True when it cannot be read. */
export function isThatProcess(pid: number, startTime: number): boolean {
  const stat = readStat(pid);
  return stat === 'unknown' || stat?.startTime === startTime;
}

/**
 * Whether a process polls a socket, as a server does; null when that cannot be read. An open socket is not enough: Go
 * opens one before bind(2), which may fail, and polls it only after listen(2). /proc/net/tcp would show the listening
 * socket too, but takes 10 ms of processor time. Source: listenStream in Go's net/sock_posix.go; proc_pid_fdinfo(5).
 */
export async function pollsSocket(pid: number): Promise<boolean | null> {
  try {
    const files = await readdir(`/proc/${pid}/fd`);
    const targets = await Promise.all(
      files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')),
    );
    const filesOfKind = (kind: string) => files.filter((_, index) => targets[index]?.startsWith(kind));
    const sockets = new Set(filesOfKind('socket:'));
    if (sockets.size === 0) return false;
    const polled = await Promise.all(
      filesOfKind('anon_inode:[eventpoll]').map((file) => readFile(`/proc/${pid}/fdinfo/${file}`, 'utf8')),
    );
    return polled.some((text) =>
      [...text.matchAll(/^tfd:\s+(\d+)/gm)].some(([, fd = '']) => sockets.has(fd)),
    );
  } catch {
    return null;
  }
}

/**
 * The number of open sockets of a process; null when they cannot be read. A PocketBase without clients has one. Takes
 * 0.1 ms, and the table of all connections of the host takes up to 67 ms.
 */
export function openSockets(pid: number): number | null {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).filter((fd) => targetOf(`${directory}/${fd}`).startsWith('socket:')).length;
  } catch {
    return null;
  }
}

/** Proportional set size in bytes: a shared page counts in equal parts for each process that maps it. */
export async function pssBytes(pid: number): Promise<number | null> {
  const text = await readOrNull(`/proc/${pid}/smaps_rollup`);
  const match = text === null ? null : /^Pss:\s+(\d+) kB/m.exec(text);
  return match ? Number(match[1]) * 1024 : null;
}

/** The size of a page on x86-64, the only architecture of the embedded PocketBase. */
const PAGE_BYTES = 4096;

/** Resident memory of a process without pages of files and shared memory, in bytes. Takes 6 µs. */
export function privateBytes(pid: number): number | null {
  try {
    const [, resident = '', shared = ''] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return (Number(resident) - Number(shared)) * PAGE_BYTES;
  } catch {
    return null;
  }
}

/** The arguments of a process; null when it has ended. */
export function argumentsOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  } catch {
    return null;
  }
}

export interface ProcessIdentity {
  pid: number;
  startTime: number;
  argv: string[];
  environment: Map<string, string>;
  /** The path of the executable; ends in ` (deleted)` when the file was removed or replaced. */
  executable: string | null;
}

/** Finds all processes with `name=value` in their environment. */
export async function findByEnvironment(name: string, value: string): Promise<ProcessIdentity[]> {
  const entries = await readdir('/proc');
  const found = await Promise.all(
    entries
      .filter((entry) => /^\d+$/.test(entry))
      .map(async (entry): Promise<ProcessIdentity | null> => {
        const pid = Number(entry);
        const environ = await readOrNull(`/proc/${pid}/environ`);
        if (!environ?.split('\0').includes(`${name}=${value}`)) return null;
        const stat = processStat(pid);
        const [cmdline, executable] = await Promise.all([
          readOrNull(`/proc/${pid}/cmdline`),
          readlink(`/proc/${pid}/exe`).catch(() => null),
        ]);
        if (!stat || stat.zombie || cmdline === null) return null;
        const environment = new Map(
          environ
            .split('\0')
            .filter((pair) => pair.includes('='))
            .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
        );
        return {
          pid,
          startTime: stat.startTime,
          argv: cmdline.split('\0').slice(0, -1),
          environment,
          executable,
        };
      }),
  );
  return found.filter((process) => process !== null);
}

/** A line of /proc/net/tcp in the state LISTEN: local port and inode of the socket. Source: proc_net_tcp(5). */
const LISTENING = /^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]+ 0A (?:\S+ +){5}(\d+) /gm;

/** The TCP sockets with which a process listens. Reads the table of all connections of the host. */
export function listeningSockets(pid: number): { fd: number; port: number }[] {
  const table = ['tcp', 'tcp6'].map((name) => textOf(`/proc/${pid}/net/${name}`)).join('\n');
  const ports = new Map(
    [...table.matchAll(LISTENING)].map(([, port = '', inode]) => [
      `socket:[${inode}]`,
      Number.parseInt(port, 16),
    ]),
  );
  if (ports.size === 0) return [];
  return filesOf(pid).flatMap((fd) => {
    const port = ports.get(targetOf(`/proc/${pid}/fd/${fd}`));
    return port === undefined ? [] : [{ fd: Number(fd), port }];
  });
}

/** A process that listens on a TCP port; null when there is none, or when it belongs to another user. */
export function findListener(port: number): { pid: number; name: string } | null {
  const table = ['tcp', 'tcp6'].map((name) => textOf(`/proc/net/${name}`)).join('\n');
  const sockets = new Set(
    [...table.matchAll(LISTENING)].flatMap(([, local = '', inode]) =>
      Number.parseInt(local, 16) === port ? [`socket:[${inode}]`] : [],
    ),
  );
  if (sockets.size === 0) return null;
  const pid = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((one) => filesOf(one).some((fd) => sockets.has(targetOf(`/proc/${one}/fd/${fd}`))));
  return pid === undefined ? null : { pid, name: textOf(`/proc/${pid}/comm`).trim() };
}

/** Empty for a process that has ended or belongs to another user: it has no files that can be used. */
function filesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** A file that was closed in the meantime has no target. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** A line of /proc/net/tcp with state 01, and its local port. Thousands of sleeping databases have a line with another state. */
const ESTABLISHED = /^ *\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:[\dA-F]{4} 01 /gm;

/** The number of established TCP connections by local port, over IPv4 and IPv6. */
export async function connectionsByLocalPort(): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = (await readOrNull(path)) ?? '';
    for (const [, local = ''] of text.matchAll(ESTABLISHED)) {
      const port = Number.parseInt(local, 16);
      counts.set(port, (counts.get(port) ?? 0) + 1);
    }
  }
  return counts;
}

/** All bytes that a process has written, to files and to clients; null when they cannot be read. */
export function writtenBytes(pid: number): number | null {
  return transferred(pid)?.written ?? null;
}

/** All bytes that a process has read and written, from and to files and clients; null when they cannot be read. */
export function transferredBytes(pid: number): number | null {
  const bytes = transferred(pid);
  return bytes && bytes.read + bytes.written;
}

function transferred(pid: number): { read: number; written: number } | null {
  try {
    const [, read, written] =
      /^rchar: (\d+)\nwchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8')) ?? [];
    return read === undefined ? null : { read: Number(read), written: Number(written) };
  } catch {
    return null;
  }
}
