import { appendFile, readFile } from 'node:fs/promises';
import type { LogRun } from '../../../shared/events.ts';
import { removeOldestOver } from '../../base/bounded.ts';
import { replaceFile } from '../../base/files/replace-file.ts';

const MAX_RUNS = 50;

/**
 * The positions in an instance's log at which its last runs begin. Stored beside the log, one line of JSON for each run, so
 * that the next daemon knows them too.
 */
export class LogRuns {
  readonly #path: string;
  readonly #runs = new Map<number, LogRun>();
  #loaded: Promise<void> | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async add(position: number, run: LogRun): Promise<void> {
    await this.#load();
    this.#set(position, run);
    await appendFile(this.#path, toLine([position, run]), { mode: 0o600 });
  }

  /** The runs by position. `run` is null for runs of an earlier daemon, because numbers start again with each daemon. */
  async all(): Promise<ReadonlyMap<number, LogRun>> {
    await this.#load();
    return this.#runs;
  }

  #set(position: number, run: LogRun): void {
    // Later positions are past the end of a log that was emptied by hand. A run without output has the position of the next.
    for (const other of this.#runs.keys()) if (other >= position) this.#runs.delete(other);
    this.#runs.set(position, run);
    removeOldestOver(this.#runs, MAX_RUNS);
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#read().catch((error: unknown) => {
      this.#loaded = null;
      throw error;
    });
    return this.#loaded;
  }

  async #read(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = text.split('\n').filter((line) => line !== '');
    for (const [position, run] of lines.flatMap(parseLine)) this.#set(position, { ...run, run: null });
    if (lines.length <= 2 * MAX_RUNS) return;
    await replaceFile(this.#path, [...this.#runs].map(toLine).join(''), { mode: 0o600, synced: false });
  }
}

function toLine(entry: [number, LogRun]): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Empty for a line that was cut by a power failure. */
function parseLine(text: string): [number, LogRun][] {
  try {
    return [JSON.parse(text) as [number, LogRun]];
  } catch {
    return [];
  }
}
