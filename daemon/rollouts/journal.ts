import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../shared/errors.ts';
import { exists, makeDirectory, systemErrorCode } from '../base/files/dir.ts';
import { replaceFile, syncDirectory } from '../base/files/replace-file.ts';

/**
 * The step in progress of one database. It is on the disk before the step begins, so that the next daemon knows what the
 * last one may have done:
 *
 *   copying ──▶ trying ──▶ serving ──▶ (no journal)
 *                  │           └─────▶ returning ──▶ (no journal)
 *                  └──▶ restoring ──▶ (no journal)
 *
 * | step | what may have happened | an interruption |
 * | copying | the copy is incomplete; the data is unchanged | removes the copy |
 * | trying | the new version has written to the data; no client has | restores the copy |
 * | restoring | a part of the copy is restored | restores the copy |
 * | serving | clients have written with the new version | continues with the new version |
 * | returning | the data goes back, with the writes of clients | goes back |
 */
const JOURNAL_STEPS = ['copying', 'trying', 'restoring', 'serving', 'returning'] as const;
export type JournalStep = (typeof JOURNAL_STEPS)[number];

const factsSchema = z.object({
  migrations: z.array(z.string()),
  rows: z.record(z.string(), z.number()),
  rules: z.record(z.string(), z.string()),
  definitions: z.record(z.string(), z.string()),
  indexes: z.array(z.string()),
  schema: z.string(),
  owner: z.string().nullable(),
});

const journalSchema = z.object({
  rollout: z.string(),
  database: z.string(),
  step: z.enum(JOURNAL_STEPS),
  /** The value of `pocketbase_version` in its row before the change, and after it. */
  before: z.string(),
  after: z.string(),
  /** Its applications before and after; null when they stay. */
  applications: z.object({ before: z.string(), after: z.string() }).nullable().default(null),
  /** The version that ran before. */
  from: z.string(),
  /** See `Change`. */
  hold: z.string().nullable().default(null),
  /** Why it goes back; null while it does not. */
  reason: z.string().nullable(),
  /** SHA-256 of the files of the copy that the way back replaces, by name. */
  sums: z.record(z.string(), z.string()).default({}),
  /** Of the data before the change; null while it is copied. */
  facts: factsSchema.nullable(),
});

const SUFFIX = '.json';

export type DatabaseJournal = z.infer<typeof journalSchema>;

/** The journals of all databases: one file for each that is changed now. */
export class Journals {
  readonly #directory: string;
  readonly #onDamaged: (file: string, why: string) => void;

  /** @param onDamaged called with a file that cannot be read, and why */
  constructor(directory: string, onDamaged: (file: string, why: string) => void) {
    this.#directory = directory;
    this.#onDamaged = onDamaged;
  }

  /** Without those that cannot be read: one of them must not keep all databases from their start. */
  async list(): Promise<DatabaseJournal[]> {
    if (!(await exists(this.#directory))) return [];
    const files = (await readdir(this.#directory)).filter(
      (name) => name.endsWith(SUFFIX) && !name.startsWith('.'),
    );
    const found = await Promise.all(files.map((file) => this.find(file.slice(0, -SUFFIX.length))));
    return found.filter((journal) => journal !== null);
  }

  /** Null for a database that is not changed now. */
  async find(database: string): Promise<DatabaseJournal | null> {
    const file = this.#fileOf(database);
    try {
      return journalSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') this.#onDamaged(file, messageOf(error));
      return null;
    }
  }

  /** The journal is on the disk when this returns. */
  async write(journal: DatabaseJournal): Promise<void> {
    await makeDirectory(this.#directory);
    await replaceFile(this.#fileOf(journal.database), JSON.stringify(journal), { mode: 0o600, synced: true });
  }

  async remove(database: string): Promise<void> {
    await rm(this.#fileOf(database), { force: true });
    await syncDirectory(this.#directory);
  }

  #fileOf(database: string): string {
    return join(this.#directory, `${database}${SUFFIX}`);
  }
}
