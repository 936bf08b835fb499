import type { Clock } from '../../daemon/base/time/clock.ts';
import type { Change, Coordinator, Entry, OnChange } from '../../daemon/cluster/coordinator.ts';
import { FathomError } from '../../shared/errors.ts';

interface Watch {
  prefix: string;
  onChange: OnChange;
  /** Keys that changed while it was cut off. */
  missed: Set<string>;
}

/** The store behind any number of nodes, in memory. Sessions end by the given clock when `expire` is called. */
export class MemoryStore {
  readonly entries = new Map<string, Entry>();
  readonly sessions = new Map<string, { ttlMs: number; until: number }>();
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Called with every change that is made. */
  onChange: (keys: readonly string[]) => void = () => {};
  #revision = 0;
  #lastSession = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.clock = clock;
  }

  open(ttlSeconds: number): string {
    this.#lastSession += 1;
    const ttlMs = ttlSeconds * 1000;
    this.sessions.set(String(this.#lastSession), { ttlMs, until: this.clock.monotonic() + ttlMs });
    return String(this.#lastSession);
  }

  renew(id: string): boolean {
    this.expire();
    const session = this.sessions.get(id);
    if (session) session.until = this.clock.monotonic() + session.ttlMs;
    return session !== undefined;
  }

  end(id: string): void {
    this.sessions.delete(id);
    const keys = [...this.entries.values()].flatMap(({ key, session }) => (session === id ? key : []));
    for (const key of keys) this.entries.delete(key);
    if (keys.length > 0) this.onChange(keys);
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
    for (const { key, value, session = null } of put)
      this.entries.set(key, { key, value, revision: this.#revision, session });
    for (const key of remove) this.entries.delete(key);
    this.onChange([...put.map(({ key }) => key), ...remove]);
    return true;
  }
}

/** One node's connection to the store. */
export class MemoryCoordinator implements Coordinator {
  readonly #store: MemoryStore;
  /** Returns how a call fails; null lets it succeed. `after`: the change is made and the answer lost. */
  readonly #fault: () => 'before' | 'after' | null;
  readonly #watches = new Set<Watch>();

  constructor(store: MemoryStore, fault: () => 'before' | 'after' | null = () => null) {
    this.#store = store;
    this.#fault = fault;
    const { onChange } = store;
    store.onChange = (keys) => {
      onChange(keys);
      for (const watch of this.#watches)
        for (const key of keys) if (key.startsWith(watch.prefix)) watch.missed.add(key);
      this.deliver();
    };
  }

  get(key: string): Promise<Entry | null> {
    return this.#call(() => this.#store.entries.get(key) ?? null);
  }

  list(prefix: string): Promise<Entry[]> {
    return this.#call(() => this.#below(prefix));
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
    const watch = { prefix, onChange, missed: new Set(this.#below(prefix).map(({ key }) => key)) };
    this.#watches.add(watch);
    signal.addEventListener('abort', () => {
      this.#watches.delete(watch);
      resolve();
    });
    onChange(this.#view(prefix), watch.missed);
    watch.missed = new Set();
    return promise;
  }

  /** Tells watches what they missed, when the store can be reached. */
  deliver(): void {
    for (const watch of this.#watches) {
      if (watch.missed.size === 0 || this.#fault() !== null) continue;
      const { missed } = watch;
      watch.missed = new Set();
      watch.onChange(this.#view(watch.prefix), missed);
    }
  }

  close(): void {
    this.#watches.clear();
  }

  #below(prefix: string): Entry[] {
    const found = [...this.#store.entries.values()].filter(({ key }) => key.startsWith(prefix));
    return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  #view(prefix: string): Map<string, Entry> {
    return new Map(this.#below(prefix).map((entry) => [entry.key, entry]));
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
