import PocketBase, { ClientResponseError } from 'pocketbase';
import { FathomError } from '../../shared/errors.ts';
import { HOOK_TOKEN_HEADER } from '../keys/hook-token.ts';
import { writeProblem } from '../pocketbase/data/disk-state.ts';
import { isUnavailableResponse } from '../pocketbase/sockets/unavailable.ts';

/** Shorter than the timeout of Fathom's clients, so that they receive an error that names the global PocketBase. */
const READ_TIMEOUT_MS = 8_000;

export interface ControlPlaneOptions {
  url: string;
  admin: { email: string; password: string };
  hookToken: string;
  /** `pb_data` of the global PocketBase; null on another host. */
  dataDir: string | null;
}

/** SQLite, PocketBase and the system call write(2). */
const DISK_FULL = /database or disk is full|disk is full|no space left on device/i;
/** PocketBase answers these for each other reason as well, and names it only in its log. */
const WITHOUT_REASON: ReadonlySet<number> = new Set([400, 500]);
/** What PocketBase answers when its own query failed, such as after it closed its files to stop. */
const FAILED_INSIDE = /^Something went wrong while processing your request/;

interface AsUser {
  /** Of a user; none by default. */
  token?: string;
  /** Of the client, for the limits of passwords. */
  address?: string;
}

/** Calls the global PocketBase as its superuser. */
export class ControlPlaneClient {
  #options: ControlPlaneOptions;
  readonly #client: PocketBase;
  #signingIn: Promise<void> | null = null;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#client = new PocketBase(options.url);
    this.#client.autoCancellation(false);
    this.#client.beforeSend = (url, request) => {
      // Hooks recognize requests of the daemon by this header and do not call it back.
      request.headers = { ...request.headers, [HOOK_TOKEN_HEADER]: options.hookToken };
      if (request.method === 'GET') request.signal ??= AbortSignal.timeout(READ_TIMEOUT_MS);
      return { url, options: request };
    };
  }

  /** Calls the global PocketBase of another host from now on. Call it before the first request. */
  redirect(url: string): void {
    this.#options = { ...this.#options, url, dataDir: null };
    this.#client.baseURL = url;
  }

  /** Returns the superuser's token, for probes. @throws FathomError `control_plane.unavailable` */
  token(): Promise<string> {
    return this.call(({ authStore }) => Promise.resolve(authStore.token));
  }

  /**
   * Runs `work` with a signed-in client. Signs in again when the token is rejected.
   *
   * @throws FathomError `control_plane.unavailable` when the global PocketBase does not answer, or fails itself
   * @throws ClientResponseError for other error responses
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
      throw await this.#translate(error);
    }
  }

  /** Sends a GET request to a route of the hooks. @throws as `call` */
  get<T>(path: string, query: Record<string, string> = {}): Promise<T> {
    return this.call((client) => client.send<T>(path, { method: 'GET', query }));
  }

  /** Sends a POST request to a route of the hooks. @throws as `call` */
  post<T>(path: string, body: object): Promise<T> {
    return this.call((client) => client.send<T>(path, { method: 'POST', body }));
  }

  /** Sends a POST request without the superuser's rights. @throws as `call` */
  postAsUser<T>(path: string, body: object, as: AsUser = {}): Promise<T> {
    return this.sendAsUser('POST', path, body, as);
  }

  /** Sends a request without the superuser's rights. @throws as `call` */
  async sendAsUser<T>(method: 'POST' | 'PATCH', path: string, body: object, as: AsUser = {}): Promise<T> {
    const headers = {
      Authorization: as.token ?? '',
      ...(as.address === undefined ? {} : { 'X-Fathom-Client': as.address }),
    };
    try {
      return await this.#client.send<T>(path, { method, body, headers });
    } catch (error) {
      throw await this.#translate(error);
    }
  }

  async #translate(error: unknown): Promise<unknown> {
    if (!(error instanceof ClientResponseError)) return error;
    if (isUnanswered(error)) {
      return new FathomError(
        'control_plane.unavailable',
        'the global PocketBase does not answer; the daemon is restarting it, try again in a moment',
        { cause: error },
      );
    }
    if (/malformed|not a database/.test(error.message)) return unreadable(error);
    const problem = await this.#storeProblem(error);
    if (problem === null) return isFailedInside(error) ? failedInside(error) : error;
    const message = `the global PocketBase cannot store this: ${problem}`;
    return new FathomError('control_plane.unavailable', message, { cause: error });
  }

  /** Why the global PocketBase cannot store anything, if that may be the reason of a response. */
  async #storeProblem({ status, response, url, message }: ClientResponseError): Promise<string | null> {
    const { dataDir } = this.#options;
    const isFull = DISK_FULL.test(message);
    const hasReason = !WITHOUT_REASON.has(status) || fieldsOf(response['data']).length > 0;
    // A wrong password has the same form, and is not stored.
    if (!isFull && (hasReason || url.includes('/auth-with-password'))) return null;
    const problem = dataDir === null ? null : await writeProblem(dataDir);
    return problem?.message ?? (isFull ? 'the disk is full; free some space, then try again' : null);
  }

  async #signIn(): Promise<void> {
    const { email, password } = this.#options.admin;
    this.#signingIn ??= this.#client
      .collection('_superusers')
      .authWithPassword(email, password)
      .then(
        () => undefined,
        (error: unknown) => {
          if (isStatus(error, 403))
            throw new FathomError(
              'control_plane.unavailable',
              'the global PocketBase accepts no superuser from the address of this server; its node allows those of FATHOM_NODE_ADDRESS, add another one to superuserIPs in its settings',
              { cause: error },
            );
          if (!isStatus(error, 400)) throw error;
          throw new FathomError(
            'control_plane.unavailable',
            'the global PocketBase refuses PB_ADMIN_EMAIL and PB_ADMIN_PASSWORD; restart the daemon to set them again',
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

/** Whether no process of the database responded. Status 0: nothing did. */
export function isUnanswered({ status, response }: ClientResponseError): boolean {
  return status === 0 || isUnavailableResponse(status, response);
}

function isFailedInside({ status, response, message }: ClientResponseError): boolean {
  return WITHOUT_REASON.has(status) && FAILED_INSIDE.test(message) && fieldsOf(response['data']).length === 0;
}

function failedInside(cause: unknown): FathomError {
  return new FathomError(
    'control_plane.unavailable',
    "the global PocketBase failed at this request: it is stopping, or cannot read its own data.db; try again in a moment, and if it fails again, see 'fathomd logs global' and 'fathomd doctor'",
    { cause },
  );
}

/** The error for a global PocketBase that answers but cannot read its data. */
export function unreadable(cause: unknown): FathomError {
  return new FathomError(
    'control_plane.unavailable',
    "the global PocketBase cannot read its own data.db, which is probably damaged; check it with 'fathomd doctor' and restore a backup of the global directory",
    { cause },
  );
}

/** Whether the error is a response with this status. */
export function isStatus(error: unknown, status: number): error is ClientResponseError {
  return error instanceof ClientResponseError && error.status === status;
}

/** Returns the fields that PocketBase rejected, with the reasons; empty when no field is the reason. */
export function fieldsOf(data: unknown): { path: string; code: string; message: string }[] {
  const fields = Object.entries((data ?? {}) as Record<string, { code: string; message: string }>);
  return fields.map(([path, { code, message }]) => ({ path, code, message }));
}
