import { readFile, rename } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../../shared/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Logger } from '../base/log/log.ts';
import { outboxSchema } from './alert-outbox.ts';
import { alertStateSchema, EMPTY_STATE } from './decide-alert.ts';

const fileSchema = z.object({ version: z.literal(1), state: alertStateSchema, outbox: outboxSchema });

export type Stored = z.infer<typeof fileSchema>;

/** The file with the state and the outbox of alerts. */
export class AlertStore {
  readonly #file: string;
  readonly #log: Logger;
  #written = '';
  #problem: string | null = null;

  constructor(file: string, log: Logger) {
    this.#file = file;
    this.#log = log;
  }

  /** Why the file could not be written last; null if it could. */
  get problem(): string | null {
    return this.#problem;
  }

  /** A file that cannot be read is moved aside. Without a state, problems that last are sent once more. */
  async load(): Promise<Stored> {
    try {
      const text = await readFile(this.#file, 'utf8');
      const stored = fileSchema.parse(JSON.parse(text));
      this.#written = text;
      return stored;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') await this.#moveAside(error);
      return { version: 1, state: EMPTY_STATE, outbox: [] };
    }
  }

  /** A full disk must not prevent the alert about it. */
  async store(stored: Stored): Promise<void> {
    const text = JSON.stringify(stored);
    if (text === this.#written) return;
    try {
      await replaceFile(this.#file, text, { mode: 0o600, synced: true });
      this.#written = text;
      if (this.#problem !== null)
        this.#log.info({ file: this.#file }, 'the state of alerts is written again');
      this.#problem = null;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem)
        this.#log.warn({ file: this.#file }, `the state of alerts cannot be written: ${problem}`);
      this.#problem = problem;
      // Also a state that returns to the stored one ends the problem.
      this.#written = '';
    }
  }

  async #moveAside(cause: unknown): Promise<void> {
    const kept = `${this.#file}.unreadable`;
    const moved = await rename(this.#file, kept).then(
      () => `it is kept as ${kept}`,
      (error: unknown) => `it cannot be moved to ${kept}: ${messageOf(error)}`,
    );
    this.#log.error(
      { file: this.#file },
      `the state of alerts cannot be read, so problems are sent again; ${moved}; ${oneLine(cause)}`,
    );
  }
}

/** Messages of JSON quote the text. */
function oneLine(error: unknown): string {
  return messageOf(error).replace(/\s+/g, ' ');
}
