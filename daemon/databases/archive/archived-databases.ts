import type { PhaseReason } from '../../../shared/api/instances.ts';

/** Where the files of an archived database are. */
export interface ArchivedDatabase {
  /** Id of the backup. */
  backup: string;
  /** BACKUP_TARGET at that time. */
  target: string;
  archived_at: string;
  /** Size of the database and its files in the backup. */
  bytes: number;
  /** What left the disk. */
  freed_bytes: number;
  /** The version of PocketBase that ran last on it; null when it is not known. */
  version: string | null;
}

/** Brings the files of a database back. Resolves with the reason why it cannot, else with null. */
type BringBack = (name: string) => Promise<PhaseReason | null>;

/** The databases whose files are in a backup only, by name. A start brings them back. */
export class ArchivedDatabases {
  readonly #byName = new Map<string, ArchivedDatabase>();
  readonly #unreadable = new Set<string>();
  #bringBack: BringBack | null = null;

  /** @param bringBack concurrent calls for one name share one run */
  onBringBack(bringBack: BringBack): void {
    this.#bringBack = bringBack;
  }

  add(name: string, archived: ArchivedDatabase): void {
    this.#byName.set(name, archived);
  }

  /** The file that names the backup of a database cannot be read. */
  addUnreadable(name: string): void {
    this.#unreadable.add(name);
  }

  remove(name: string): void {
    this.#byName.delete(name);
    this.#unreadable.delete(name);
  }

  /** Whether the files of a database are in a backup, and it is not known in which. */
  isUnreadable(name: string): boolean {
    return this.#unreadable.has(name);
  }

  /** Names of these databases. */
  unreadable(): string[] {
    return [...this.#unreadable];
  }

  find(name: string): ArchivedDatabase | null {
    return this.#byName.get(name) ?? null;
  }

  /** The backup that has the files of a database; null for one that has its own. */
  backupOf(name: string): { id: string; created_at: string; bytes: number; stored_bytes: number } | null {
    const archived = this.#byName.get(name);
    if (!archived) return null;
    const { backup: id, archived_at: created_at, bytes } = archived;
    return { id, created_at, bytes, stored_bytes: 0 };
  }

  all(): [name: string, archived: ArchivedDatabase][] {
    return [...this.#byName];
  }

  /** Shown while a database has no files; null for one that has some. */
  reasonOf(name: string): PhaseReason | null {
    const archived = this.#byName.get(name);
    if (!archived) return null;
    const { backup, archived_at } = archived;
    return {
      code: 'archived',
      message: `archived on ${archived_at.slice(0, 10)}, its files are in the backup ${backup}; the next request brings them back`,
    };
  }

  /** Does not wait any longer when the signal aborts; the work goes on. */
  async bringBack(name: string, signal: AbortSignal): Promise<PhaseReason | null> {
    if (!this.#byName.has(name)) return null;
    if (this.#bringBack === null) throw new Error('nothing brings archived databases back yet');
    const aborted = Promise.withResolvers<null>();
    const stopWaiting = () => aborted.resolve(null);
    signal.addEventListener('abort', stopWaiting, { once: true });
    try {
      return await Promise.race([this.#bringBack(name), aborted.promise]);
    } finally {
      signal.removeEventListener('abort', stopWaiting);
    }
  }
}
