import { appendFile, readFile } from 'node:fs/promises';
import type { LogRun } from '../../../shared/events.ts';
import { replaceFile } from '../../base/files/replace-file.ts';

const KEPT_RUNS = 50;

/**
 * At which positions of an instance's log its runs begin: what was started last. Kept beside the log, one line of JSON each, so
 * that the next daemon knows them as well.
 */
export class LogRuns {
  readonly #path: string;
  readonly #runs = new Map<number, LogRun>();
  #loaded: Promise<void> | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async note(position: number, run: LogRun): Promise<void> {
    await this.#load();
    this.#set(position, run);
    await appendFile(this.#path, line([position, run]), { mode: 0o600 });
  }

  /** By position. Of those that an earlier daemon started, the number is nobody's any more. */
  async all(): Promise<ReadonlyMap<number, LogRun>> {
    await this.#load();
    return this.#runs;
  }

  #set(position: number, run: LogRun): void {
    // Beyond the end of a log that was emptied by hand; one that printed nothing gives its place to the next.
    for (const noted of this.#runs.keys()) if (noted >= position) this.#runs.delete(noted);
    this.#runs.set(position, run);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > KEPT_RUNS && oldest !== undefined) this.#runs.delete(oldest);
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
    const lines = text.split('\n').filter((one) => one !== '');
    for (const entry of lines.flatMap(parsed)) this.#set(entry[0], { ...entry[1], run: null });
    if (lines.length <= 2 * KEPT_RUNS) return;
    await replaceFile(this.#path, [...this.#runs].map(line).join(''), { mode: 0o600, synced: false });
  }
}

function line(entry: [number, LogRun]): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Nothing for a line that a power cut left half written. */
function parsed(text: string): [number, LogRun][] {
  try {
    return [JSON.parse(text) as [number, LogRun]];
  } catch {
    return [];
  }
}
