import { createHmac } from 'node:crypto';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { FathomClient } from '../../shared/client/client-methods.ts';
import { FathomError } from '../../shared/errors.ts';

/** A user of the host. The address identifies the account. */
export interface HostUser {
  email: string;
  name?: string;
}

const MAX_SESSIONS = 10_000;
/** A session that ends sooner is not used any more. */
const SPARE_MS = 60_000;

/**
 * The accounts of the users of a host. They have passwords that only the host knows, which derive from its secret: Fathom stores no
 * second proof of who a user is.
 */
export class HostAccounts {
  readonly #client: FathomClient;
  readonly #secret: string;
  readonly #sessions = new Map<string, Promise<Session>>();

  constructor(client: FathomClient, secret: string) {
    this.#client = client;
    this.#secret = secret;
  }

  /** @throws FathomError `auth.failed`: the account has a password of its own, so the host did not create it */
  async signIn(user: HostUser): Promise<Session> {
    const key = user.email.toLowerCase();
    const known = await this.#sessions.get(key);
    if (known !== undefined && Date.parse(known.expires_at) - SPARE_MS > Date.now()) return known;
    const begun = this.#begin(user);
    this.#sessions.set(key, begun);
    const [oldest = key] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS) this.#sessions.delete(oldest);
    try {
      return await begun;
    } catch (error) {
      if (this.#sessions.get(key) === begun) this.#sessions.delete(key);
      throw error;
    }
  }

  /** Fathom refused the token of a session. */
  forget(token: string): void {
    for (const [key, session] of this.#sessions) {
      void session.then(
        (ended) => ended.token === token && this.#sessions.delete(key),
        () => undefined,
      );
    }
  }

  async #begin({ email, name }: HostUser): Promise<Session> {
    const password = createHmac('sha256', this.#secret).update(email.toLowerCase()).digest('base64url');
    const { total } = await this.#client.users.list({ email, per_page: 1 });
    if (total === 0) {
      try {
        await this.#client.users.add({ email, password, ...(name === undefined ? {} : { name }) });
      } catch (error) {
        // Another request created it meanwhile.
        if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') throw error;
      }
    }
    return this.#client.auth.login({ email, password });
  }
}
