import type { Clock } from '../../daemon/base/time/clock.ts';
import type { Change, Coordinator, Entry, OnChange } from '../../daemon/cluster/coordinator.ts';
import { FathomError } from '../../shared/errors.ts';

interface Watch {
  prefix: string;
  onChange: OnChange;
  /** What it was sent last. */
  view: Map<string, Entry>;
  /** Keys that changed while it was cut off. */
  missed: Set<string>;
}

/** The store behind any number of nodes, in memory. Sessions end by the given clock when `expire` is called. */
export class MemoryStore {
  readonly entries = new Map<string, Entry>();
  readonly sessions = new Map<string, { ttlMs: number; until: number; keys: Set<string> }>();
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Called with every change that is made. */
  readonly listeners = new Set<(keys: readonly string[]) => void>();
  /** By the part of a key up to its last slash: the keys. */
  readonly #directories = new Map<string, Set<string>>();
  #revision = 0;
  #lastSession = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  open(ttlSeconds: number): string {
    this.#lastSession += 1;
    const ttlMs = ttlSeconds * 1000;
    const until = this.clock.monotonic() + ttlMs;
    this.sessions.set(String(this.#lastSession), { ttlMs, until, keys: new Set() });
    return String(this.#lastSession);
  }

  renew(id: string): boolean {
    this.expire();
    const session = this.sessions.get(id);
    if (session) session.until = this.clock.monotonic() + session.ttlMs;
    return session !== undefined;
  }

  end(id: string): void {
    const keys = [...(this.sessions.get(id)?.keys ?? [])];
    this.sessions.delete(id);
    for (const key of keys) this.#remove(key);
    this.#report(keys);
  }

  expire(): void {
    const now = this.clock.monotonic();
    for (const [id, { until }] of this.sessions) if (until <= now) this.end(id);
  }

  commit({ expect, put = [], remove = [] }: Change): boolean {
    this.expire();
    const isMet = expect.every(({ key, revision }) => (this.entries.get(key)?.revision ?? 0) === revision);
    if (!isMet || put.some(({ session }) => session !== undefined && !this.sessions.has(session)))
      return false;
    this.#revision += 1;
    for (const { key, value, session = null } of put) {
      this.#remove(key);
      this.entries.set(key, { key, value, revision: this.#revision, session });
      this.#directoryOf(key).add(key);
      if (session !== null) this.sessions.get(session)?.keys.add(key);
    }
    for (const key of remove) this.#remove(key);
    this.#report([...put.map(({ key }) => key), ...remove]);
    return true;
  }

  /** By key. */
  below(prefix: string): Entry[] {
    const keys = [...this.#directories].flatMap(([name, known]) =>
      name.startsWith(prefix) ? [...known] : [],
    );
    return keys.toSorted().flatMap((key) => this.entries.get(key) ?? []);
  }

  #remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.#directoryOf(key).delete(key);
    if (entry.session !== null) this.sessions.get(entry.session)?.keys.delete(key);
  }

  #directoryOf(key: string): Set<string> {
    const name = key.slice(0, key.lastIndexOf('/') + 1);
    const known = this.#directories.get(name) ?? new Set();
    this.#directories.set(name, known);
    return known;
  }

  #report(keys: readonly string[]): void {
    if (keys.length === 0) return;
    for (const listener of this.listeners) listener(keys);
  }
}

/** One node's connection to the store. */
export class MemoryCoordinator implements Coordinator {
  readonly #store: MemoryStore;
  /** Returns how a call fails; null lets it succeed. `after`: the change is made and the answer lost. */
  readonly #fault: () => 'before' | 'after' | null;
  readonly #watches = new Set<Watch>();
  readonly #listener: (keys: readonly string[]) => void;

  constructor(store: MemoryStore, fault: () => 'before' | 'after' | null = () => null) {
    this.#store = store;
    this.#fault = fault;
    this.#listener = (keys) => {
      for (const watch of this.#watches)
        for (const key of keys) if (key.startsWith(watch.prefix)) watch.missed.add(key);
      this.deliver();
    };
    store.listeners.add(this.#listener);
  }

  get(key: string): Promise<Entry | null> {
    return this.#call(() => this.#store.entries.get(key) ?? null);
  }

  list(prefix: string): Promise<Entry[]> {
    return this.#call(() => this.#store.below(prefix));
  }

  commit(change: Change): Promise<boolean> {
    return this.#call(() => this.#store.commit(change));
  }

  openSession(ttlSeconds: number): Promise<string> {
    return this.#call(() => this.#store.open(ttlSeconds));
  }

  renewSession(session: string): Promise<boolean> {
    return this.#call(() => this.#store.renew(session));
  }

  closeSession(session: string): Promise<void> {
    return this.#call(() => this.#store.end(session));
  }

  watch(prefix: string, onChange: OnChange, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const view = new Map(this.#store.below(prefix).map((entry) => [entry.key, entry]));
    const watch: Watch = { prefix, onChange, view, missed: new Set() };
    this.#watches.add(watch);
    signal.addEventListener('abort', () => {
      this.#watches.delete(watch);
      resolve();
    });
    onChange(view, new Set(view.keys()));
    return promise;
  }

  /** Tells watches what they missed, when the store can be reached. */
  deliver(): void {
    for (const watch of this.#watches) {
      const { missed, view, onChange } = watch;
      if (missed.size === 0 || this.#fault() !== null) continue;
      watch.missed = new Set();
      for (const key of missed) {
        const entry = this.#store.entries.get(key);
        if (entry === undefined) view.delete(key);
        else view.set(key, entry);
      }
      onChange(view, missed);
    }
  }

  async servers(): Promise<[]> {
    return [];
  }

  close(): void {
    this.#watches.clear();
    this.#store.listeners.delete(this.#listener);
  }

  async #call<T>(work: () => T): Promise<T> {
    const fault = this.#fault();
    if (fault === 'before') throw new FathomError('cluster.unavailable', 'cut off');
    this.#store.expire();
    const result = work();
    if (fault === 'after') throw new FathomError('cluster.unavailable', 'the answer was lost');
    return result;
  }
}
