import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';

const DEADLINE_MS = 30_000;

/** A program in a pseudo-terminal of its own, 160×50, which `script` of util-linux makes; what it draws comes as bytes. */
export class PseudoTerminal {
  /** `performance.now()` of the start. */
  readonly startedAt: number;
  readonly #script: ChildProcessByStdio<Writable, Readable, null>;
  readonly #watchers = new Set<() => void>();
  /** What came since the last `forget`. */
  #drawn = '';
  #drawnAt = 0;

  constructor(command: readonly string[], env: Record<string, string> = {}) {
    const line = `stty cols 160 rows 50; exec ${command.map(quote).join(' ')}`;
    this.startedAt = performance.now();
    this.#script = spawn('script', ['-qfec', line, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, TERM: 'xterm-256color', ...env },
    });
    this.#script.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#drawnAt = performance.now();
      this.#drawn += text;
      for (const look of this.#watchers) look();
    });
  }

  /** Of the program, not of `script`. */
  async pid(): Promise<number> {
    const { pid } = this.#script;
    return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim());
  }

  /** Writes a key; what was drawn before does not count any more. */
  press(key: string): number {
    this.forget();
    const at = performance.now();
    this.#script.stdin.write(key);
    return at;
  }

  forget(): void {
    this.#drawn = '';
  }

  /** When `wanted` had been drawn, as `performance.now()`. */
  async draws(wanted: string): Promise<number> {
    if (this.#drawn.includes(wanted)) return this.#drawnAt;
    let late: NodeJS.Timeout | undefined;
    let watch: (() => void) | undefined;
    try {
      return await new Promise<number>((resolve, reject) => {
        watch = () => {
          if (this.#drawn.includes(wanted)) resolve(this.#drawnAt);
        };
        this.#watchers.add(watch);
        late = setTimeout(
          () => reject(new Error(`'${wanted}' was not drawn; last: ${this.#drawn.slice(-400)}`)),
          DEADLINE_MS,
        );
      });
    } finally {
      clearTimeout(late);
      if (watch !== undefined) this.#watchers.delete(watch);
    }
  }

  /** Presses `q` and waits for the end. */
  async quit(): Promise<void> {
    const ended = once(this.#script, 'exit');
    this.#script.stdin.write('q');
    await ended;
  }

  /** Waits for a program that ends by itself. */
  async ended(): Promise<void> {
    if (this.#script.exitCode === null) await once(this.#script, 'exit');
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
