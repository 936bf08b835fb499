import { readdirSync, readFileSync } from 'node:fs';

const LOOK_EVERY_MS = 50;

/** Looks which nodes have a process of a database, on the one kernel that all hosts of the test share. */
export class ProcessWatch {
  /** Moments at which several nodes had one. */
  readonly overlaps: string[][] = [];
  looks = 0;
  readonly #directories: ReadonlyMap<string, string>;
  readonly #timer: NodeJS.Timeout;

  /** @param directories of the database, by node */
  constructor(directories: ReadonlyMap<string, string>) {
    this.#directories = directories;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.looks += 1;
    const nodes = new Set<string>();
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const words = commandOf(entry);
      for (const [node, directory] of this.#directories)
        if (words.includes('serve') && words.some((word) => word.includes(directory))) nodes.add(node);
    }
    if (nodes.size > 1) this.overlaps.push([...nodes]);
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It has ended.
    return [];
  }
}
