import type { Session } from '../../shared/api/accounts/auth.ts';
import type { StreamClock } from '../../shared/client/stream-clock.ts';
import type { SavedSession } from './profile-files.ts';

/** Milliseconds after which a renewal that failed is tried again, and the longest wait for one (a timer's limit). */
const RETRY_MS = 60_000;
const LONGEST_MS = 24 * 3_600_000;

export interface SessionOptions {
  /** From the environment, or kept from before. */
  token: string | undefined;
  kept: SavedSession | null;
  /** Writes down what is to be kept; null forgets it. */
  keep(session: SavedSession | null): Promise<void>;
  login(body: { email: string; password: string }): Promise<Session>;
  refresh(): Promise<Session>;
  clock: StreamClock;
}

/** Who this console is to one daemon: a token that is renewed in time, and replaced by signing in. */
export class ServerSession {
  readonly #options: SessionOptions;
  #token: string | undefined;
  #keeps: boolean;
  #cancel: () => void = () => {};

  constructor(options: SessionOptions) {
    this.#options = options;
    const { kept, clock } = options;
    const good = kept !== null && Date.parse(kept.expires_at) > clock.now();
    this.#token = options.token ?? (good ? kept.token : undefined);
    this.#keeps = options.token === undefined && good;
    if (this.#keeps && good) this.#renewBefore(kept.expires_at);
  }

  get token(): string | undefined {
    return this.#token;
  }

  /** Kept on this machine only when asked for. @throws ApiError, FathomError what the daemon said */
  async signIn(email: string, password: string, keep: boolean): Promise<Session['user']> {
    const session = await this.#options.login({ email, password });
    this.#keeps = keep;
    if (!keep) await this.#options.keep(null);
    await this.#take(session);
    return session.user;
  }

  close(): void {
    this.#cancel();
  }

  async #take({ token, expires_at }: Session): Promise<void> {
    this.#token = token;
    this.#renewBefore(expires_at);
    if (this.#keeps) await this.#options.keep({ token, expires_at });
  }

  /** At half of its life: one that cannot be renewed then has time for another try. */
  #renewBefore(expiresAt: string): void {
    const left = Date.parse(expiresAt) - this.#options.clock.now();
    this.#renewIn(Math.min(Math.max(0, left / 2), LONGEST_MS));
  }

  #renewIn(ms: number): void {
    this.#cancel();
    this.#cancel = this.#options.clock.after(ms, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const before = this.#token;
    try {
      const session = await this.#options.refresh();
      // Somebody may have signed in meanwhile.
      if (this.#token === before) await this.#take(session);
    } catch {
      // A session that has ended shows in the link, which then asks to sign in; a daemon that is away comes back.
      if (this.#token === before) this.#renewIn(RETRY_MS);
    }
  }
}
