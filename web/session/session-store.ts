import type { Session } from '../../shared/api/accounts/auth.ts';

const KEY = 'fathom.session';

type StoredSession = Session & { skew_ms?: number };

/** Why there is no session: null before the first sign-in. */
export type SignedOut = 'ended' | 'signed_out' | 'password_changed' | 'account_deleted' | null;

/**
 * The session of this tab. It is kept in the session storage of the tab, so that it survives a reload and ends with the tab.
 * No cookie exists, so other sites cannot send requests with it.
 */
export class SessionStore {
  readonly #storage: Storage;
  readonly #listeners = new Set<() => void>();
  #current: StoredSession | null;
  #signedOut: SignedOut = null;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.#current = readSession(storage);
  }

  get current(): Session | null {
    return this.#current;
  }

  /** The time of the daemon. The clock of the browser may be wrong by days. */
  get nowMs(): number {
    return Date.now() + (this.#current?.skew_ms ?? 0);
  }

  get signedOut(): SignedOut {
    return this.#signedOut;
  }

  save(session: Session): void {
    this.#current = { ...session, skew_ms: issuedAtMs(session) - Date.now() };
    this.#signedOut = null;
    this.#storage.setItem(KEY, JSON.stringify(this.#current));
    this.#notify();
  }

  /** Forgets the session with this token. A renewed session stays. */
  end(token: string, why: SignedOut = 'ended'): void {
    // The stream may have ended first: the reason is known only now.
    if (this.#current === null && why !== 'ended') this.#enterSignedOut(why);
    if (this.#current?.token !== token) return;
    this.#current = null;
    this.#storage.removeItem(KEY);
    this.#enterSignedOut(why);
  }

  #enterSignedOut(why: SignedOut): void {
    this.#signedOut = why;
    this.#notify();
  }

  /** An arrow function, because React calls it alone. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** When the daemon made the token of a session: the token is a JWT. */
export function issuedAtMs({ token }: Session): number {
  const [, payload = ''] = token.split('.');
  const { iat } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as { iat: number };
  return iat * 1000;
}

function readSession(storage: Storage): StoredSession | null {
  const text = storage.getItem(KEY);
  if (text === null) return null;
  try {
    const session = JSON.parse(text) as Partial<StoredSession> | null;
    return typeof session?.token === 'string' && session.user !== undefined
      ? (session as StoredSession)
      : null;
  } catch {
    // Another release wrote it: sign in again.
    return null;
  }
}
