import { decodeJwt, errors } from 'jose';
import { ClientResponseError, type RecordModel } from 'pocketbase';
import type { SignInProvider } from '../../shared/api/accounts/auth.ts';
import type { User as ApiUser } from '../../shared/api/accounts/users.ts';
import type { Page, PageRequest } from '../../shared/api/contract/page.ts';
import { DELETED_BY_OWNER } from '../../shared/deletion.ts';
import { foldAddress } from '../../shared/email-address.ts';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import { type CreateUserRequest, STRONG_PASSWORD } from '../../shared/hooks/control-plane-routes.ts';
import { DEFAULT_PLAN } from '../../shared/limits.ts';
import { type ControlPlaneClient, fieldsOf, isStatus } from '../control-plane/client.ts';
import { findRecord, listRecords } from '../control-plane/records.ts';
import { toIsoTime } from '../pocketbase/data/sqlite.ts';
import type { Role } from './permissions.ts';
import type { PasswordStrength } from './sign-up/password-strength.ts';

/** An account. The API adds the name of its database. */
export type User = Omit<ApiUser, 'database' | 'erase_at'>;

export interface NewUser {
  email: string;
  password: string;
  name?: string | undefined;
  role?: Role | undefined;
  plan?: string | undefined;
  /** The address counts as proved. */
  verified?: boolean | undefined;
  /** Token of an invitation, as the client sent it. */
  invitation?: unknown;
  /** Values of fields that an administrator has added to the accounts. */
  customFields?: Record<string, unknown> | undefined;
}

export interface UserQuery extends PageRequest {
  sort: string;
  email?: string | undefined;
  /** A part of the address or the name. */
  search?: string | undefined;
  role?: Role | undefined;
  plan?: string | undefined;
  is_active?: boolean | undefined;
}

/**
 * Filters of `list`. Accounts from before `email_key` existed may share an address; the keys of later ones have a slash and
 * a mark appended.
 */
const FILTERS = [
  ['email', 'email = {:email} || email_key = {:key} || (email_key > {:marked} && email_key < {:end})'],
  ['search', 'email ~ {:search} || email_key ~ {:folded} || name ~ {:search}'],
  ['role', 'role = {:role}'],
  ['plan', 'plan = {:plan} || plan = {:orEmpty}'],
  ['is_active', 'is_active = {:is_active}'],
] as const;

export interface ProviderSignIn {
  provider: string;
  code: string;
  code_verifier: string;
  redirect_url: string;
}

export interface SignedInUser {
  user: User;
  /** Of the global PocketBase. */
  token: string;
}

/** User accounts in the global PocketBase. */
export class UserRepository {
  readonly #client: ControlPlaneClient;
  readonly #passwords: Pick<PasswordStrength, 'problemOf'> | null;

  /** @param passwords judges passwords before the global PocketBase asks for it; null leaves all of them to it */
  constructor(client: ControlPlaneClient, passwords: Pick<PasswordStrength, 'problemOf'> | null = null) {
    this.#client = client;
    this.#passwords = passwords;
  }

  /** @throws FathomError `auth.email_taken`, `invitation.invalid`, `request.invalid`, `control_plane.unavailable` */
  async create({
    email,
    password,
    name,
    role,
    plan,
    verified,
    invitation,
    customFields = {},
  }: NewUser): Promise<User> {
    await this.#requireCustomFields(Object.keys(customFields));
    // A weak one is judged again there, together with all other values.
    const isStrong = (await this.#passwords?.problemOf({ password, email, name: name ?? '' })) === null;
    try {
      const body: CreateUserRequest = {
        ...customFields,
        email,
        password,
        passwordConfirm: password,
        name: name ?? '',
        role: role ?? 'user',
        ...(plan === undefined ? {} : { plan }),
        is_active: true,
        verified: verified ?? false,
        ...(invitation === undefined ? {} : { invitation }),
        ...(isStrong ? { [STRONG_PASSWORD]: true } : {}),
      };
      return toUser(await this.#client.post<RecordModel>('/api/fathom/users', body));
    } catch (error) {
      if (isStatus(error, 400)) throw toUserError(error.response['data'], error);
      throw error;
    }
  }

  /**
   * Returns the user; null when the address or password is wrong, or the account is not active.
   *
   * @throws FathomError `database.deleted`
   */
  async authenticate(email: string, password: string): Promise<User | null> {
    return (await this.signIn(email, password))?.user ?? null;
  }

  /** As `authenticate`, with a token of the global PocketBase. */
  async signIn(email: string, password: string): Promise<SignedInUser | null> {
    try {
      const { record, token } = await this.#client.postAsUser<{ record: { id: string }; token: string }>(
        '/api/collections/users/auth-with-password',
        { identity: email, password },
      );
      const user = await this.#findActive(record.id);
      return user && { user, token };
    } catch (error) {
      requireNotDeleted(error);
      if (isStatus(error, 400) || isStatus(error, 403)) return null;
      throw error;
    }
  }

  /** Returns the active user of a renewable token of the global PocketBase; null for any other token. */
  async authenticateByToken(token: string): Promise<User | null> {
    if (!isRenewable(token)) return null;
    try {
      const { record } = await this.#client.postAsUser<{ record: { id: string } }>(
        '/api/collections/users/auth-refresh',
        {},
        { token },
      );
      return await this.#findActive(record.id);
    } catch (error) {
      requireNotDeleted(error);
      if (isStatus(error, 401) || isStatus(error, 403) || isStatus(error, 404)) return null;
      throw error;
    }
  }

  /** Lists the sign-in providers, each with a new state and verifier. */
  async signInProviders(): Promise<SignInProvider[]> {
    const { oauth2 } = await this.#client.call((client) => client.collection('users').listAuthMethods());
    return oauth2.providers.map(({ name, displayName, authURL, state, codeVerifier }) => ({
      name,
      display_name: displayName,
      auth_url: authURL,
      state,
      code_verifier: codeVerifier,
    }));
  }

  /**
   * Signs in with the code of a provider, and signs up if there is no account yet.
   *
   * @param address of the client, for the limits of sign-ups
   * @throws FathomError `auth.failed`, `auth.email_taken`, `database.deleted`
   */
  async signInByProvider({ provider, code, code_verifier, redirect_url }: ProviderSignIn, address: string) {
    try {
      const { record } = await this.#client.postAsUser<{ record: { id: string } }>(
        '/api/collections/users/auth-with-oauth2',
        { provider, code, codeVerifier: code_verifier, redirectURL: redirect_url },
        { address },
      );
      return await this.#findActive(record.id);
    } catch (error) {
      requireNotDeleted(error);
      throw toProviderError(error);
    }
  }

  /** The answer to a sign-in has no hidden fields, so the daemon reads the user again with its own rights. */
  async #findActive(id: string): Promise<User | null> {
    const user = await this.find(id);
    return user?.is_active === true ? user : null;
  }

  async find(id: string): Promise<User | null> {
    const record = await findRecord(this.#client, 'users', id);
    return record && toUser(record);
  }

  /** @throws FathomError `not_found` */
  async get(id: string): Promise<User> {
    const user = await this.find(id);
    if (!user) throw unknownUser(id);
    return user;
  }

  /** Lists users. The filter `email` matches an address in any case and composition of its letters. */
  list({ page, per_page, sort, ...filters }: UserQuery): Promise<Page<User>> {
    const key = foldAddress(filters.email ?? '');
    const folded = foldAddress(filters.search ?? '');
    // An account without a plan has the default one.
    const orEmpty = filters.plan === DEFAULT_PLAN ? '' : filters.plan;
    const values = { ...filters, orEmpty, key, marked: `${key}/`, end: `${key}0`, folded };
    const conditions = FILTERS.filter(([name]) => filters[name] !== undefined).map(([, text]) => `(${text})`);
    return this.#client.call((client) => {
      const filter = client.filter(conditions.join(' && '), values);
      return listRecords(client.collection('users'), { page, per_page }, { sort, filter }, toUser);
    });
  }

  async countWithPlan(plan: string): Promise<number> {
    const { total } = await this.list({ page: 1, per_page: 1, sort: 'created', plan });
    return total;
  }

  /** Lists active users with the role `user` that have no database yet. */
  async listWithoutDatabase({ onlyVerified }: { onlyVerified: boolean }): Promise<User[]> {
    const verified = onlyVerified ? ' && verified = true' : '';
    const records = await this.#client.call((client) =>
      client.collection('users').getFullList({
        filter: `role = 'user' && is_active = true && user_databases_via_user.id = null${verified}`,
        sort: 'created',
      }),
    );
    return records.map(toUser);
  }

  /** @throws FathomError `request.invalid` for names of fields that no administrator has added to the accounts */
  async #requireCustomFields(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { fields } = await this.#client.call((client) => client.collections.getOne('users'));
    const custom = fields.filter(
      ({ name, type, system, hidden }) =>
        !system && !hidden && type !== 'autodate' && !FATHOM_FIELDS.has(name),
    );
    const unknown = names.filter((name) => !custom.some((field) => field.name === name));
    if (unknown.length === 0) return;
    throw new FathomError('request.invalid', 'the request does not match the schema', {
      fields: unknown.map((path) => ({ path, message: 'is not a field that can be set here' })),
    });
  }

  /** @throws FathomError `not_found`, `request.invalid` */
  async update(
    id: string,
    changes: {
      role?: Role | undefined;
      plan?: string | undefined;
      is_active?: boolean | undefined;
      verified?: boolean | undefined;
    },
  ): Promise<User> {
    try {
      return toUser(await this.#client.call((client) => client.collection('users').update(id, changes)));
    } catch (error) {
      if (isStatus(error, 400)) throw toUserError(error.response['data'], error);
      if (!isStatus(error, 404)) throw error;
      throw unknownUser(id, error);
    }
  }

  /** Does nothing when the user is already deleted. @throws FathomError `conflict` while the user has a database */
  async delete(id: string): Promise<void> {
    try {
      await this.#client.call((client) => client.collection('users').delete(id));
    } catch (error) {
      if (isStatus(error, 404)) return;
      if (!isStatus(error, 400)) throw error;
      throw new FathomError('conflict', `the user '${id}' still has a database; delete that first`, {
        cause: error,
      });
    }
  }
}

/** Fields of accounts that the daemon sets. */
const FATHOM_FIELDS: ReadonlySet<string> = new Set(['name', 'role', 'plan', 'is_active', 'email_key']);

/** @param cause the error of PocketBase, if there is one */
export function unknownUser(id: string | undefined, cause?: unknown): FathomError {
  return new FathomError('not_found', `there is no user '${id}'`, { cause });
}

/** Statuses of the global PocketBase for sign-ins with a provider that it refuses. */
const PROVIDER_REFUSALS = [400, 403, 404, 429, 503];

/** Hooks refuse a sign-up with a reason, which PocketBase does not have for a wrong code. */
function toProviderError(error: unknown): unknown {
  if (!(error instanceof ClientResponseError) || !PROVIDER_REFUSALS.includes(error.status)) return error;
  const email = fieldsOf(error.response['data']).find(({ path }) => path === 'email');
  if (email?.code === 'validation_not_unique') return toUserError(error.response['data'], error);
  const reason =
    email !== undefined
      ? 'the provider has not verified an e-mail address of this account'
      : error.status === 400 || error.status === 404
        ? 'the provider did not confirm the sign-in; begin it again'
        : error.message;
  return new FathomError('auth.failed', reason, { cause: error });
}

/** @throws FathomError `database.deleted` for a sign-in that the trash refuses (`pb_hooks/global/lib/trash.js`) */
function requireNotDeleted(error: unknown): void {
  if (!isStatus(error, 403)) return;
  for (const { path, code, message } of fieldsOf(error.response['data'])) {
    if (code === 'database_deleted') throw new FathomError('database.deleted', message, { cause: error });
    if (code === DELETED_BY_OWNER) {
      const fields = [{ path, message, code }];
      throw new FathomError('database.deleted', message, { cause: error, fields });
    }
  }
}

/** Other text is not sent: it may be invalid in a header, and the error would contain all of it. */
const SIGNED_TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Tokens of an impersonation are not renewable; a session would outlive them. */
function isRenewable(token: string): boolean {
  if (!SIGNED_TOKEN.test(token)) return false;
  try {
    return decodeJwt(token)['refreshable'] === true;
  } catch (error) {
    if (error instanceof errors.JWTInvalid) return false;
    throw error;
  }
}

function toUser(record: RecordModel): User {
  return {
    id: record.id,
    email: String(record['email'] ?? ''),
    name: String(record['name'] ?? ''),
    role: record['role'] as Role,
    is_active: record['is_active'] === true,
    verified: record['verified'] === true,
    plan: String(record['plan'] ?? '') || DEFAULT_PLAN,
    created: toIsoTime(String(record['created'])),
  };
}

/** Converts a refusal by the global PocketBase; `data` is its errors by field. */
function toUserError(data: unknown, cause: unknown): FathomError {
  const fields = fieldsOf(data);
  if (fields.some(({ path, code }) => path === 'email' && code === 'validation_not_unique')) {
    return new FathomError('auth.email_taken', 'this e-mail address cannot be registered; sign in instead', {
      cause,
    });
  }
  const invitation = fields.find(({ path }) => path === 'invitation');
  if (invitation) return new FathomError('invitation.invalid', invitation.message, { cause });
  // PocketBase names a field when a value is invalid. Without one, it cannot write.
  if (fields.length === 0) {
    return new FathomError(
      'control_plane.unavailable',
      "the global PocketBase cannot store this; see 'fathomd databases list' and 'fathomd logs global', then try again",
      { cause },
    );
  }
  return new FathomError('request.invalid', 'the global PocketBase refused the values', {
    cause,
    fields: fields.map(({ path, message }): FieldError => ({ path, message })),
  });
}
