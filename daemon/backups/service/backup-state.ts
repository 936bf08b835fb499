import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { BACKUP_FAILURES } from '../../../shared/backup-failure.ts';
import { messageOf } from '../../../shared/errors.ts';
import { systemErrorCode } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Logger } from '../../base/log/log.ts';

/** The file of a large fleet has megabytes, so results of single databases are written together. */
const WRITE_EVERY_MS = 5_000;
/** A smaller file is written at once, so that a daemon that is killed loses nothing. */
const SMALL_FILE_LENGTH = 100_000;

const time = z.iso.datetime();

const failureSchema = z.object({
  reason: z.enum(BACKUP_FAILURES),
  message: z.string(),
  /** Null for that of the reason. */
  remedy: z.string().nullable().default(null),
  /** The first failure in a row. */
  since: time,
  attempts: z.int(),
  retry_at: time,
});

export type StoredFailure = z.infer<typeof failureSchema>;

/** `problem` is null when the backup was proven. */
const drillSchema = z.object({ backup: z.string(), at: time, problem: z.string().nullable() });

export type StoredDrill = z.infer<typeof drillSchema>;

const databaseSchema = z.object({
  /** `changeStamp` at the last backup; null when the next run must read the database. */
  stamp: z.string().nullable(),
  /** When the last backup was known to be current: it was made, or nothing had changed. */
  confirmed_at: time.nullable(),
  last: z.object({ id: z.string(), created_at: time, bytes: z.int(), stored_bytes: z.int() }).nullable(),
  failure: failureSchema.nullable(),
  /** Backups that `verify` found damaged. */
  damaged: z.array(z.string()).default([]),
  /** Backups that the owner made, oldest first. */
  own: z.array(z.string()).default([]),
  /** When the first backup was made; null before it, and for one of an earlier version. */
  backed_up_since: time.nullable().default(null),
  /** The last drill. */
  drill: drillSchema.nullable().default(null),
  /** The backup of the last drill that succeeded. */
  proven: z.object({ backup: z.string(), at: time }).nullable().default(null),
});

export type DatabaseState = z.infer<typeof databaseSchema>;

const unusableKeySchema = z.object({ database: z.string(), problem: z.string() });

export type UnusableKey = z.infer<typeof unusableKeySchema>;

const stateSchema = z.object({
  format: z.literal(1),
  /** BACKUP_TARGET, and the id that it had. `accepted`: also when another host has used it. */
  target: z.object({ url: z.string(), id: z.string().nullable(), accepted: z.boolean().default(false) }),
  /** Ids of the keys for which the keys of all databases are wrapped. */
  wrapped_for: z.string().nullable(),
  /** Keys on the target that could not be wrapped: damaged, or of another host. */
  unusable_keys: z.array(unusableKeySchema).default([]),
  /** Since when drills are made; null before the first daemon that makes them. */
  drills_since: time.nullable().default(null),
  /** The last check of the escrow, and the SHA-256 of what was stored. */
  escrow: z.object({ at: time, problem: z.string().nullable() }).nullable().default(null),
  escrow_sha256: z.string().nullable().default(null),
  databases: z.record(z.string(), databaseSchema),
});

type StoredState = z.infer<typeof stateSchema>;

const NEW_DATABASE: DatabaseState = {
  stamp: null,
  confirmed_at: null,
  last: null,
  failure: null,
  damaged: [],
  own: [],
  backed_up_since: null,
  drill: null,
  proven: null,
};

/**
 * What the daemon knows about the last backups, in a small file. Without the file, everything is backed up again, which stores
 * nothing twice.
 */
export class BackupState {
  readonly #path: string;
  readonly #log: Logger;
  #state: StoredState;
  #writing: Promise<void> | null = null;
  #isDirty = false;
  #writtenLength = 0;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;

  private constructor(path: string, state: StoredState, log: Logger) {
    this.#path = path;
    this.#state = state;
    this.#log = log;
  }

  /** What is known about another target is not used. */
  static async read(path: string, url: string, log: Logger): Promise<BackupState> {
    const stored = await readStored(path, log);
    const isSame = stored?.target.url === url;
    const empty: StoredState = {
      format: 1,
      target: { url, id: null, accepted: false },
      wrapped_for: null,
      unusable_keys: [],
      drills_since: null,
      escrow: null,
      escrow_sha256: null,
      databases: {},
    };
    return new BackupState(path, isSame ? stored : empty, log);
  }

  get targetId(): string | null {
    return this.#state.target.id;
  }

  get isTargetAccepted(): boolean {
    return this.#state.target.accepted;
  }

  get unusableKeys(): readonly UnusableKey[] {
    return this.#state.unusable_keys;
  }

  get wrappedFor(): string | null {
    return this.#state.wrapped_for;
  }

  of(database: string): DatabaseState {
    return this.#state.databases[database] ?? NEW_DATABASE;
  }

  update(database: string, change: Partial<DatabaseState>): void {
    this.#state.databases[database] = { ...this.of(database), ...change };
    this.#isDirty = true;
    const waitMs = this.#writtenAt + WRITE_EVERY_MS - performance.now();
    if (waitMs <= 0 || this.#writtenLength < SMALL_FILE_LENGTH) this.#changed();
    else this.#timer ??= setTimeout(() => this.#changed(), waitMs).unref();
  }

  updateTarget(id: string, wrappedFor: string): void {
    const { target, wrapped_for } = this.#state;
    if (target.id === id && !target.accepted && wrapped_for === wrappedFor) return;
    this.#state.target = { ...target, id, accepted: false };
    this.#state.wrapped_for = wrappedFor;
    this.#changed();
  }

  updateUnusableKeys(unusable: readonly UnusableKey[]): void {
    this.#state.unusable_keys = [...unusable];
    this.#changed();
  }

  /** The key of a database was used. */
  noteUsableKey(database: string): void {
    if (this.unusableKeys.some((one) => one.database === database))
      this.updateUnusableKeys(this.unusableKeys.filter((one) => one.database !== database));
  }

  /** The next `prepare` wraps the keys of all databases again. */
  forgetWrapping(): void {
    this.#state.wrapped_for = null;
    this.#changed();
  }

  get drillsSince(): Date | null {
    const { drills_since } = this.#state;
    return drills_since === null ? null : new Date(drills_since);
  }

  /** Begins to expect drills, unless it has begun before. */
  beginDrills(now: Date): void {
    if (this.#state.drills_since !== null) return;
    this.#state.drills_since = now.toISOString();
    this.#changed();
  }

  get escrow(): StoredState['escrow'] {
    return this.#state.escrow;
  }

  get escrowSha256(): string | null {
    return this.#state.escrow_sha256;
  }

  updateEscrow(change: Partial<Pick<StoredState, 'escrow' | 'escrow_sha256'>>): void {
    this.#state = { ...this.#state, ...change };
    this.#changed();
  }

  /** The next backup takes the target as it is, and backs up everything. What is known of the backups themselves stays. */
  forgetTarget(): void {
    this.#state = {
      ...this.#state,
      target: { ...this.#state.target, id: null, accepted: true },
      wrapped_for: null,
      databases: Object.fromEntries(
        Object.entries(this.#state.databases)
          .filter(([, { damaged, own }]) => damaged.length + own.length > 0)
          .map(([name, { damaged, own }]) => [name, { ...NEW_DATABASE, damaged, own }]),
      ),
    };
    this.#changed();
  }

  /** Removes what is known about a database that was erased. */
  forget(database: string): void {
    delete this.#state.databases[database];
    this.#changed();
  }

  /** Removes what is known about databases that do not exist. */
  keepOnly(databases: ReadonlySet<string>): void {
    for (const name of Object.keys(this.#state.databases)) {
      if (databases.has(name)) continue;
      delete this.#state.databases[name];
      this.#changed();
    }
  }

  /** Resolves when the file has everything. */
  async settled(): Promise<void> {
    if (this.#isDirty) this.#changed();
    await this.#writing;
  }

  /** Changes during a write are written together after it. */
  #changed(): void {
    this.#isDirty = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
  }

  async #write(): Promise<void> {
    while (this.#isDirty) {
      this.#isDirty = false;
      this.#writtenAt = performance.now();
      try {
        const content = JSON.stringify(this.#state);
        this.#writtenLength = content.length;
        await replaceFile(this.#path, content, { mode: 0o600, synced: false });
      } catch (error) {
        this.#log.warn(`cannot write ${this.#path}: ${messageOf(error)}`);
      }
    }
  }
}

/** Null when the file is missing or damaged. */
async function readStored(path: string, log: Logger): Promise<StoredState | null> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT')
      log.warn(`${path} cannot be read, so all databases are backed up again: ${messageOf(error)}`);
    return null;
  }
}
