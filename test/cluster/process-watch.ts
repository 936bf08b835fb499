import { readdirSync, readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 50;
/** A process is looked at again until its program is known: it becomes another one when it starts. */
const UNKNOWN_MS = 3_000;
/** Stopped, and ended. Neither answers. */
const IDLE_STATES: ReadonlySet<string> = new Set(['T', 't', 'Z', 'X']);

interface Seen {
  since: number;
  /** Null while it is no process of a database. */
  place: { node: string; name: string } | null;
}

export interface Overlap {
  name: string;
  nodes: string[];
  at: number;
}

/** Looks which nodes have a process of a database, on the one kernel that all hosts of the test share. */
export class ProcessWatch {
  /** Moments at which several nodes had one. */
  readonly overlaps: Overlap[] = [];
  looks = 0;
  readonly #directories: ReadonlyMap<string, string>;
  readonly #seen = new Map<number, Seen>();
  readonly #timer: NodeJS.Timeout;

  /** @param directories of data, by node */
  constructor(directories: ReadonlyMap<string, string>) {
    this.#directories = directories;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The process of a database; null without one. */
  find(node: string, name: string): number | null {
    for (const [pid, { place }] of this.#seen) if (place?.node === node && place.name === name) return pid;
    return null;
  }

  #look(): void {
    this.looks += 1;
    const at = performance.now();
    const alive = new Set(readdirSync('/proc').map(Number).filter(Number.isInteger));
    for (const pid of this.#seen.keys()) if (!alive.has(pid)) this.#seen.delete(pid);
    const byName = new Map<string, { node: string; pid: number }[]>();
    for (const pid of alive) {
      const seen = this.#seen.get(pid) ?? { since: at, place: null };
      this.#seen.set(pid, seen);
      if (seen.place === null && at - seen.since < UNKNOWN_MS) seen.place = this.#placeOf(pid);
      if (seen.place === null) continue;
      const { node, name } = seen.place;
      byName.set(name, [...(byName.get(name) ?? []), { node, pid }]);
    }
    for (const [name, processes] of byName) {
      if (processes.length < 2) continue;
      const answering = processes.filter(({ pid }) => !IDLE_STATES.has(stateOf(pid)));
      const nodes = [...new Set(answering.map(({ node }) => node))];
      if (nodes.length > 1) this.overlaps.push({ name, nodes, at });
    }
  }

  #placeOf(pid: number): Seen['place'] {
    const words = textOf(`/proc/${pid}/cmdline`).split('\0');
    if (!words.includes('serve')) return null;
    for (const [node, directory] of this.#directories)
      for (const word of words) {
        const found = word.indexOf(`${directory}/`);
        if (found < 0) continue;
        const [kind, name] = word.slice(found + directory.length + 1).split('/');
        if (kind === 'global') return { node, name: kind };
        if (kind === 'user_dbs' && name !== undefined) return { node, name };
      }
    return null;
  }
}

/** The third field of proc_pid_stat(5). */
const stateOf = (pid: number) =>
  textOf(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .slice(0, 1) || 'X';

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}
