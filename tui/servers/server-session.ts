import type { Session } from '../../shared/api/accounts/auth.ts';
import type { StreamClock } from '../../shared/client/stream-clock.ts';
import type { SavedSession } from './profile-files.ts';

/** Milliseconds until a failed renewal is tried again. */
const RETRY_MS = 60_000;
/** Maximum milliseconds until a renewal: timers have a limit. */
const MAX_WAIT_MS = 24 * 3_600_000;

export interface SessionOptions {
  /** The token from the environment. */
  token: string | undefined;
  saved: SavedSession | null;
  /** Saves a session; null deletes the saved one. */
  save(session: SavedSession | null): Promise<void>;
  login(body: { email: string; password: string }): Promise<Session>;
  refresh(): Promise<Session>;
  clock: StreamClock;
}

/** The session of this console on one daemon. Renews its token in time. */
export class ServerSession {
  readonly #options: SessionOptions;
  #token: string | undefined;
  #isSaved: boolean;
  #cancel: () => void = () => {};

  constructor(options: SessionOptions) {
    this.#options = options;
    const { saved, clock } = options;
    const isValid = saved !== null && Date.parse(saved.expires_at) > clock.now();
    this.#token = options.token ?? (isValid ? saved.token : undefined);
    this.#isSaved = options.token === undefined && isValid;
    if (this.#isSaved && isValid) this.#renewBefore(saved.expires_at);
  }

  get token(): string | undefined {
    return this.#token;
  }

  /**
   * @param save whether to save the session on this machine
   * @throws ApiError, FathomError from the daemon
   */
  async signIn(email: string, password: string, save: boolean): Promise<Session['user']> {
    const session = await this.#options.login({ email, password });
    this.#isSaved = save;
    if (!save) await this.#options.save(null);
    await this.#use(session);
    return session.user;
  }

  close(): void {
    this.#cancel();
  }

  async #use({ token, expires_at }: Session): Promise<void> {
    this.#token = token;
    this.#renewBefore(expires_at);
    if (this.#isSaved) await this.#options.save({ token, expires_at });
  }

  /** Renews the session after half of its lifetime, so that there is time for other attempts. */
  #renewBefore(expiresAt: string): void {
    const left = Date.parse(expiresAt) - this.#options.clock.now();
    this.#renewIn(Math.min(Math.max(0, left / 2), MAX_WAIT_MS));
  }

  #renewIn(ms: number): void {
    this.#cancel();
    this.#cancel = this.#options.clock.after(ms, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const before = this.#token;
    try {
      const session = await this.#options.refresh();
      // The user may have signed in again in the meantime.
      if (this.#token === before) await this.#use(session);
    } catch {
      // If the session has ended, the stream is refused and the console asks to sign in.
      if (this.#token === before) this.#renewIn(RETRY_MS);
    }
  }
}
