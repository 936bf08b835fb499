import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Reads of /proc (proc(5)). A process that is gone, or not ours to look at, reads as null. */

/** USER_HZ: fixed at 100 on every Linux architecture that Node supports. */
const TICKS_PER_SECOND = 100;
const START_TIME = 19;
const RESIDENT_PAGES = 21;

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

/** Fields of `/proc/<pid>/stat` after the command name, which may itself hold spaces and parentheses. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

export interface ProcessStat {
  /** Clock ticks since boot: together with the pid it names a process, whatever pid is reused later. */
  startTime: number;
  /** User and system time together. */
  cpuSeconds: number;
  /** Memory it has, in pages of the host. */
  residentPages: number;
  /** One letter, as ps(1) shows it. */
  state: string;
  /** Dead but not yet waited for. */
  zombie: boolean;
}

/** Of the daemon's own trouble, which says nothing of the process. */
const CANNOT_LOOK: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/**
 * Reads in place: unlike other files of a process, this one never waits, and a trip through the thread pool costs more.
 *
 * @returns null when the process is gone, `unknown` when the daemon has no file descriptors left to look
 */
function lookAt(pid: number): ProcessStat | null | 'unknown' {
  let fields: string[];
  try {
    fields = fieldsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    return CANNOT_LOOK.has((error as NodeJS.ErrnoException).code) ? 'unknown' : null;
  }
  return {
    startTime: Number(fields[START_TIME]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    residentPages: Number(fields[RESIDENT_PAGES]),
    state: fields[0] ?? '',
    zombie: fields[0] === 'Z',
  };
}

export function processStat(pid: number): ProcessStat | null {
  const seen = lookAt(pid);
  return seen === 'unknown' ? null : seen;
}

/** True while the very process of that start time lives, and while nothing says that it does not. */
export function isAlive(pid: number, startTime: number): boolean {
  const seen = lookAt(pid);
  if (seen === 'unknown') return true;
  return seen !== null && seen.startTime === startTime && !seen.zombie;
}

/** Whether a pid still names that very process, dead or alive, and was not taken over by another one. */
export function isThatProcess(pid: number, startTime: number): boolean {
  const seen = lookAt(pid);
  return seen === 'unknown' || seen?.startTime === startTime;
}

/**
 * Whether a process waits for something at a socket, as a server does; null where that cannot be seen. A socket that is only
 * open says nothing: Go has one for a port that it then does not get, and its poller is told of it after listen(2) alone.
 * (/proc/net/tcp would tell which one listens, at 10 ms of processor time a look.) Source: listenStream in Go's
 * net/sock_posix.go; proc_pid_fdinfo(5).
 */
export async function pollsSocket(pid: number): Promise<boolean | null> {
  try {
    const files = await readdir(`/proc/${pid}/fd`);
    const targets = await Promise.all(
      files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')),
    );
    const those = (kind: string) => files.filter((_, index) => targets[index]?.startsWith(kind));
    const sockets = new Set(those('socket:'));
    if (sockets.size === 0) return false;
    const polled = await Promise.all(
      those('anon_inode:[eventpoll]').map((file) => readFile(`/proc/${pid}/fdinfo/${file}`, 'utf8')),
    );
    return polled.some((text) =>
      [...text.matchAll(/^tfd:\s+(\d+)/gm)].some(([, fd = '']) => sockets.has(fd)),
    );
  } catch {
    return null;
  }
}

/** Proportional set size in bytes: shared pages are divided among those who share them. */
export async function pssBytes(pid: number): Promise<number | null> {
  const text = await readOrNull(`/proc/${pid}/smaps_rollup`);
  const match = text === null ? null : /^Pss:\s+(\d+) kB/m.exec(text);
  return match ? Number(match[1]) * 1024 : null;
}

export interface ProcessIdentity {
  pid: number;
  startTime: number;
  argv: string[];
  environment: Map<string, string>;
  /** The executable's path; ends in ` (deleted)` when the file was replaced. */
  executable: string | null;
}

/** Every process whose environment holds `name=value`. */
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

const ESTABLISHED = '01';

/** Established TCP connections counted by local port, over IPv4 and IPv6. */
export async function connectionsByLocalPort(): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = (await readOrNull(path)) ?? '';
    for (const line of text.split('\n').slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (state !== ESTABLISHED || local === undefined) continue;
      const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
      counts.set(port, (counts.get(port) ?? 0) + 1);
    }
  }
  return counts;
}
