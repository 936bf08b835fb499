import PocketBase, { ClientResponseError } from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import { HOOK_TOKEN_HEADER } from '../keys/hook-token.ts';

/** Shorter than what Fathom's own clients wait for the daemon, so that they hear which of the two does not answer. */
const READ_TIMEOUT_MS = 8_000;

export interface ControlPlaneOptions {
  url: string;
  admin: { email: string; password: string };
  hookToken: string;
}

/** The daemon's access to the global PocketBase, as its superuser. */
export class ControlPlaneClient {
  readonly #options: ControlPlaneOptions;
  readonly #client: PocketBase;
  #signingIn: Promise<void> | null = null;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#client = new PocketBase(options.url);
    this.#client.autoCancellation(false);
    this.#client.beforeSend = (url, request) => {
      // By it the hooks know that a request is the daemon's own, and do not call it back.
      request.headers = { ...request.headers, [HOOK_TOKEN_HEADER]: options.hookToken };
      if (request.method === 'GET') request.signal ??= AbortSignal.timeout(READ_TIMEOUT_MS);
      return { url, options: request };
    };
  }

  /** The superuser's token, for probes. @throws FathomError `control_plane.unavailable` */
  token(): Promise<string> {
    return this.call(({ authStore }) => Promise.resolve(authStore.token));
  }

  /**
   * Runs `work` signed in; signs in once more when the token was refused.
   *
   * @throws FathomError `control_plane.unavailable` when the global PocketBase does not answer
   * @throws ClientResponseError for every other refusal
   */
  async call<T>(work: (client: PocketBase) => Promise<T>): Promise<T> {
    try {
      if (!this.#client.authStore.isValid) await this.#signIn();
      try {
        return await work(this.#client);
      } catch (error) {
        if (!(error instanceof ClientResponseError) || error.status !== 401) throw error;
        await this.#signIn();
        return await work(this.#client);
      }
    } catch (error) {
      throw translate(error);
    }
  }

  /**
   * A request without the superuser's rights.
   *
   * @param token of the user in whose name it is made; nobody's by default
   * @throws as `call`
   */
  async callAnonymously<T>(path: string, body: unknown, token = ''): Promise<T> {
    try {
      return await this.#client.send<T>(path, { method: 'POST', body, headers: { Authorization: token } });
    } catch (error) {
      throw translate(error);
    }
  }

  async #signIn(): Promise<void> {
    const { email, password } = this.#options.admin;
    this.#signingIn ??= this.#client
      .collection('_superusers')
      .authWithPassword(email, password)
      .then(
        () => undefined,
        (error: unknown) => {
          if (!isStatus(error, 400)) throw error;
          throw new FathomError(
            'control_plane.unavailable',
            'the global PocketBase refuses PB_ADMIN_EMAIL and PB_ADMIN_PASSWORD; restart the daemon, which sets them anew',
            { cause: error },
          );
        },
      )
      .finally(() => {
        this.#signingIn = null;
      });
    await this.#signingIn;
  }
}

function translate(error: unknown): unknown {
  // Status 0: no answer at all.
  if (error instanceof ClientResponseError && error.status === 0) {
    return new FathomError(
      'control_plane.unavailable',
      'the global PocketBase does not answer; the daemon is restarting it, try again in a moment',
      { cause: error },
    );
  }
  if (error instanceof ClientResponseError && /malformed|not a database/.test(error.message)) {
    return unreadable(error);
  }
  return error;
}

/** It answers, and cannot read what it should. */
export function unreadable(cause: unknown): FathomError {
  return new FathomError(
    'control_plane.unavailable',
    "the global PocketBase cannot read its own data.db, which is probably damaged; 'fathomd doctor' tells, and a backup of the global directory mends it",
    { cause },
  );
}

/** Whether a request was refused with that status. */
export function isStatus(error: unknown, status: number): error is ClientResponseError {
  return error instanceof ClientResponseError && error.status === status;
}

/** What PocketBase says of each field that it refuses; nothing when the fields are not the reason. */
export function fieldsOf(data: unknown): { path: string; code: string; message: string }[] {
  const fields = Object.entries((data ?? {}) as Record<string, { code: string; message: string }>);
  return fields.map(([path, { code, message }]) => ({ path, code, message }));
}
