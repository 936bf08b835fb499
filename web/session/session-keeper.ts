import type { Session } from '../../shared/api/accounts/auth.ts';
import type { FathomClient } from '../../shared/client/client-methods.ts';
import { issuedAtMs, type SessionStore } from './session-store.ts';

const CHECK_MS = 60_000;
/** A session is renewed when less of its lifetime is left. */
const RENEW_BEFORE_MS = 12 * 3_600_000;

/** Exchanges a session for one that can only read. */
export type Narrow = (session: Session) => Promise<Session>;

/** Renews the session of a page that stays open. */
export class SessionKeeper {
  readonly #client: FathomClient;
  readonly #store: SessionStore;
  readonly #narrow: Narrow;
  #renewal: Promise<Session> | null = null;

  /** Sessions that live shorter are renewed in the middle of their life. */
  #lifetimeMs = RENEW_BEFORE_MS * 2;

  constructor(client: FathomClient, store: SessionStore, narrow: Narrow) {
    this.#client = client;
    this.#store = store;
    this.#narrow = narrow;
  }

  start(): void {
    setInterval(() => this.#check(), CHECK_MS);
    document.addEventListener('visibilitychange', () => this.#check());
  }

  /** Keeps the session of an owner. That of another role is exchanged before, so the tab never has one that can write. */
  async signedIn(session: Session): Promise<void> {
    this.#keep(session.user.role === 'user' ? session : await this.#narrow(session));
  }

  #keep(session: Session): void {
    this.#lifetimeMs = Date.parse(session.expires_at) - issuedAtMs(session);
    this.#store.save(session);
  }

  /** Gets a new session token and a new token of the database. The old session ends. */
  renew(): Promise<Session> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renew(): Promise<Session> {
    const isNarrow = this.#store.current?.user.role !== 'user';
    const session = await this.#client.auth.refresh();
    // A renewed session has the limits of the former one.
    if (isNarrow) this.#keep(session);
    else await this.signedIn(session);
    return session;
  }

  #check(): void {
    const session = this.#store.current;
    if (session === null || document.visibilityState === 'hidden') return;
    const leftMs = Date.parse(session.expires_at) - this.#store.nowMs;
    if (leftMs > Math.min(RENEW_BEFORE_MS, this.#lifetimeMs / 2)) return;
    // A session that has ended is forgotten by the client; after other failures, the next check tries again.
    this.renew().catch(() => undefined);
  }
}
