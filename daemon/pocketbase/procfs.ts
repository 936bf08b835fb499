import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** Reads of /proc (proc(5)). A process that is gone, or not ours to look at, reads as null. */

/** USER_HZ: fixed at 100 on every Linux architecture that Node supports. */
const TICKS_PER_SECOND = 100;
const START_TIME = 19;

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
  /** Dead but not yet waited for. */
  zombie: boolean;
}

/** Reads in place: unlike other files of a process, this one never waits, and a trip through the thread pool costs more. */
export function processStat(pid: number): ProcessStat | null {
  let fields: string[];
  try {
    fields = fieldsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null;
  }
  return {
    startTime: Number(fields[START_TIME]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    zombie: fields[0] === 'Z',
  };
}

/** True while the very process of that start time lives. */
export function isAlive(pid: number, startTime: number): boolean {
  const stat = processStat(pid);
  return stat !== null && stat.startTime === startTime && !stat.zombie;
}

/** Whether a pid still names that very process, dead or alive, and was not taken over by another one. */
export function isThatProcess(pid: number, startTime: number): boolean {
  return processStat(pid)?.startTime === startTime;
}

/** Whether a process has a socket open; null where that cannot be seen. */
export async function hasSocket(pid: number): Promise<boolean | null> {
  try {
    const files = await readdir(`/proc/${pid}/fd`);
    const targets = await Promise.all(
      files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')),
    );
    return targets.some((target) => target.startsWith('socket:'));
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
