/** A stored value. */
export interface Entry {
  key: string;
  value: string;
  /** Grows with each change of any entry. */
  revision: number;
  /** The entry is removed when this session ends; null for one that stays. */
  session: string | null;
}

/** A change that is made as a whole or not at all. At most `MAX_CHANGES` entries. */
export interface Change {
  /** The change is made only if every one of these has this revision; 0 for an entry that does not exist. */
  expect: readonly { key: string; revision: number }[];
  put?: readonly { key: string; value: string; session?: string }[];
  remove?: readonly string[];
}

/** @param changed keys of entries that are new, changed or gone */
export type OnChange = (view: ReadonlyMap<string, Entry>, changed: ReadonlySet<string>) => void;

export const MAX_CHANGES = 50;

/** One server of the store. */
export interface StoreServer {
  endpoint: string;
  /** Why it cannot be used; null when it can. */
  problem: string | null;
  version: string | null;
}

/**
 * A store that all nodes of a cluster agree on, also when some of its servers fail. Every method rejects with FathomError
 * `cluster.unavailable` when the store does not answer; it may have made the change then.
 *
 * A session is the life of one daemon. It ends when it is not renewed in time.
 */
export interface Coordinator {
  get(key: string): Promise<Entry | null>;
  /** All entries whose key begins with `prefix`, which ends with a slash, as they were at one moment, by key. */
  list(prefix: string): Promise<Entry[]>;
  /**
   * @returns false when an expectation is not met or a session has ended. It can also be false when the answer to an earlier
   * attempt was lost: read the entries to know.
   */
  commit(change: Change): Promise<boolean>;
  /** @returns the id of a new session */
  openSession(ttlSeconds: number): Promise<string>;
  /** @returns false when it has ended */
  renewSession(session: string): Promise<boolean>;
  /** Ends a session, and removes its entries. */
  closeSession(session: string): Promise<void>;
  /**
   * Calls `onChange` with all entries below `prefix`, and again after changes, until the signal aborts. Changes may be missed
   * while the store does not answer, but never their result. Never rejects.
   */
  watch(prefix: string, onChange: OnChange, signal: AbortSignal): Promise<void>;
  /** The servers of the store, as this node sees them. Never rejects. */
  servers(): Promise<StoreServer[]>;
  close(): void;
}
