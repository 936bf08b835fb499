import { decodeJwt, errors } from 'jose';
import type { RecordModel } from 'pocketbase';
import { foldAddress } from '../../shared/email-address.ts';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import { type ControlPlaneClient, fieldsOf, isStatus } from '../control-plane/client.ts';
import type { Role } from './permissions.ts';

export interface User {
  id: string;
  email: string;
  name: string;
  role: Role;
  is_active: boolean;
  created: string;
}

export interface NewUser {
  email: string;
  password: string;
  name?: string | undefined;
  role?: Role | undefined;
  /** Fields that the administrator has added to the accounts. */
  further?: Record<string, unknown> | undefined;
}

export interface UserQuery {
  page: number;
  perPage: number;
  sort: string;
  email?: string | undefined;
  /** A part of the address or the name. */
  search?: string | undefined;
  role?: Role | undefined;
  is_active?: boolean | undefined;
}

/** Of accounts that were there before addresses had keys, several may have the same: the later ones are marked behind a slash. */
const FILTERS = [
  ['email', 'email = {:email} || email_key = {:key} || (email_key > {:marked} && email_key < {:end})'],
  ['search', 'email ~ {:search} || email_key ~ {:folded} || name ~ {:search}'],
  ['role', 'role = {:role}'],
  ['is_active', 'is_active = {:is_active}'],
] as const;

/** The people of Fathom, in the global PocketBase. */
export class UserRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** @throws FathomError `auth.email_taken`, `request.invalid`, `control_plane.unavailable` */
  async create({ email, password, name, role, further = {} }: NewUser): Promise<User> {
    await this.#refuseUnknown(Object.keys(further));
    try {
      const record = await this.#client.call((client) =>
        client.collection('users').create({
          ...further,
          email,
          password,
          passwordConfirm: password,
          name: name ?? '',
          role: role ?? 'user',
          is_active: true,
        }),
      );
      return toUser(record);
    } catch (error) {
      if (isStatus(error, 400)) throw refused(error.response['data'], error);
      throw error;
    }
  }

  /** The user whose password this is; null when there is none, or it is not active. */
  async authenticate(email: string, password: string): Promise<User | null> {
    try {
      const { record } = await this.#client.callAnonymously<{ record: RecordModel }>(
        '/api/collections/users/auth-with-password',
        { identity: email, password },
      );
      return toUser(record);
    } catch (error) {
      if (isStatus(error, 400) || isStatus(error, 403)) return null;
      throw error;
    }
  }

  /** The active user whom the global PocketBase knows by this token, which it would renew; null for any other token. */
  async authenticateByToken(token: string): Promise<User | null> {
    if (!isRenewable(token)) return null;
    try {
      const { record } = await this.#client.callAnonymously<{ record: RecordModel }>(
        '/api/collections/users/auth-refresh',
        {},
        token,
      );
      return toUser(record);
    } catch (error) {
      if (isStatus(error, 401) || isStatus(error, 403) || isStatus(error, 404)) return null;
      throw error;
    }
  }

  async find(id: string): Promise<User | null> {
    // Anything else could lead to another path: '..' is resolved within a URL.
    if (!isRecordId(id)) return null;
    try {
      return toUser(await this.#client.call((client) => client.collection('users').getOne(id)));
    } catch (error) {
      if (isStatus(error, 404)) return null;
      throw error;
    }
  }

  /** With `email`, whom this address belongs to, however it is written. */
  async list({ page, perPage, sort, ...wanted }: UserQuery): Promise<{ items: User[]; total: number }> {
    const key = foldAddress(wanted.email ?? '');
    const folded = foldAddress(wanted.search ?? '');
    const values = { ...wanted, key, marked: `${key}/`, end: `${key}0`, folded };
    const conditions = FILTERS.filter(([name]) => wanted[name] !== undefined).map(([, text]) => `(${text})`);
    const { items, totalItems } = await this.#client.call((client) =>
      client
        .collection('users')
        .getList(page, perPage, { sort, filter: client.filter(conditions.join(' && '), values) }),
    );
    return { items: items.map(toUser), total: totalItems };
  }

  /** Active users with the role `user` that have no database yet. */
  async withoutDatabase(): Promise<User[]> {
    const records = await this.#client.call((client) =>
      client.collection('users').getFullList({
        filter: "role = 'user' && is_active = true && user_databases_via_user.id = null",
        sort: 'created',
      }),
    );
    return records.map(toUser);
  }

  /** @throws FathomError `request.invalid` for what is no field that an administrator has added to the accounts */
  async #refuseUnknown(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { fields } = await this.#client.call((client) => client.collections.getOne('users'));
    const added = fields.filter(
      ({ name, type, system, hidden }) => !system && !hidden && type !== 'autodate' && !OWN_FIELDS.has(name),
    );
    const unknown = names.filter((name) => !added.some((field) => field.name === name));
    if (unknown.length === 0) return;
    throw new FathomError('request.invalid', 'the request does not match the schema', {
      fields: unknown.map((path) => ({ path, message: 'is no field that can be set here' })),
    });
  }

  /** @throws FathomError `not_found`, `request.invalid` */
  async update(
    id: string,
    changes: { role?: Role | undefined; is_active?: boolean | undefined },
  ): Promise<User> {
    try {
      return toUser(await this.#client.call((client) => client.collection('users').update(id, changes)));
    } catch (error) {
      if (isStatus(error, 400)) throw refused(error.response['data'], error);
      if (!isStatus(error, 404)) throw error;
      throw new FathomError('not_found', `there is no user '${id}'`, { cause: error });
    }
  }

  /** Whoever it was is gone afterwards. @throws FathomError `conflict` while the user has a database */
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

/** Of the accounts, those that are the daemon's to set. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['name', 'role', 'is_active', 'email_key']);

function isRecordId(text: string): boolean {
  return /^[a-z0-9]{15}$/.test(text);
}

/** A signed token. Anything else may be no value of a header, and the error of that names all of it. */
const SIGNED_TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Those of an impersonation are not: a session would outlive them. */
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
    created: String(record['created']).replace(' ', 'T'),
  };
}

function refused(data: unknown, cause: unknown): FathomError {
  const fields = fieldsOf(data);
  if (fields.some(({ path, code }) => path === 'email' && code === 'validation_not_unique')) {
    return new FathomError('auth.email_taken', 'this e-mail address cannot be registered; sign in instead', {
      cause,
    });
  }
  // A mistake of the caller names a field; without one it is PocketBase that cannot write.
  if (fields.length === 0) {
    return new FathomError(
      'control_plane.unavailable',
      "the global PocketBase cannot store this (a full disk, perhaps); 'fathomd databases list' says why, then try again",
      { cause },
    );
  }
  return new FathomError('request.invalid', 'the global PocketBase refused the values', {
    cause,
    fields: fields.map(({ path, message }): FieldError => ({ path, message })),
  });
}
