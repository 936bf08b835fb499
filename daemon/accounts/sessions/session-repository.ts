import type { RecordModel } from 'pocketbase';
import { type ControlPlaneClient, isStatus } from '../../control-plane/client.ts';
import type { Permission, Role } from '../permissions.ts';

export interface SessionRow {
  id: string;
  user: string;
  user_agent: string;
  address: string;
  expires_at: string;
  created: string;
}

export interface ApiKeyRow {
  id: string;
  user: string;
  name: string;
  prefix: string;
  permissions: Permission[];
  /** Null never ends by itself. */
  expires_at: string | null;
  last_used_at: string | null;
  created: string;
}

/** Where a session was opened. */
export interface Origin {
  user_agent: string;
  address: string;
}

export interface Resolution {
  /** Of the session's or the key's row; null when it is gone. */
  id: string | null;
  expires_at: string | null;
  permissions: unknown;
  /** Null when the account is gone. */
  user: { id: string; email: string; role: Role; is_active: boolean } | null;
}

export interface ListOptions {
  user: string | null;
  page: number;
  perPage: number;
}

/** Sessions and API keys as the global PocketBase keeps them. */
export class SessionRepository {
  readonly #client: ControlPlaneClient;

  constructor(client: ControlPlaneClient) {
    this.#client = client;
  }

  /** @param user told about even when there is no such session any more */
  resolve(
    kind: 'session' | 'key',
    by: { hash: string; user?: string } | { id: string },
  ): Promise<Resolution> {
    return this.#post<Resolution>('/api/fathom/identity/resolve', { kind, ...by });
  }

  async open(session: Origin & { hash: string; user: string; expiresAt: Date }): Promise<void> {
    const { hash, user, user_agent, address, expiresAt } = session;
    const body = { hash, user, user_agent, address, expires_at: expiresAt.toISOString() };
    await this.#client.call((client) => client.collection('sessions').create(body));
  }

  /** Puts a new token in the place of the old one; false when the old one has ended. */
  async renew(old: string, session: Origin & { hash: string; expiresAt: Date }): Promise<boolean> {
    const { hash, user_agent, address, expiresAt } = session;
    const body = { old, hash, user_agent, address, expires_at: expiresAt.toISOString() };
    try {
      await this.#post('/api/fathom/sessions/renew', body);
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }

  /** Sessions, tokens of the global PocketBase and, as `OwnerAccount.token_epoch` changes, those of the own database. */
  async endAll(user: string, { keys }: { keys: boolean }): Promise<void> {
    await this.#post('/api/fathom/sessions/end', { user, keys });
  }

  async find(id: string): Promise<SessionRow | null> {
    const record = await this.#one('sessions', id);
    return record && toSession(record);
  }

  async list(options: ListOptions): Promise<{ items: SessionRow[]; total: number }> {
    const { items, total } = await this.#list('sessions', options);
    return { items: items.map(toSession), total };
  }

  async createKey(
    row: Pick<ApiKeyRow, 'user' | 'name' | 'prefix' | 'permissions' | 'expires_at'> & { hash: string },
  ): Promise<ApiKeyRow> {
    const body = { ...row, expires_at: row.expires_at ?? '' };
    return toKey(await this.#client.call((client) => client.collection('api_keys').create(body)));
  }

  async findKey(id: string): Promise<ApiKeyRow | null> {
    const record = await this.#one('api_keys', id);
    return record && toKey(record);
  }

  async listKeys(options: ListOptions): Promise<{ items: ApiKeyRow[]; total: number }> {
    const { items, total } = await this.#list('api_keys', options);
    return { items: items.map(toKey), total };
  }

  async noteUse(keyId: string, at: Date): Promise<void> {
    await this.#post('/api/fathom/api-keys/used', { id: keyId, at: at.toISOString().replace('T', ' ') });
  }

  /** Whatever it was, it is gone afterwards. */
  async delete(collection: 'sessions' | 'api_keys', id: string): Promise<void> {
    try {
      await this.#client.call((client) => client.collection(collection).delete(id));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return this.#client.call((client) => client.send<T>(path, { method: 'POST', body }));
  }

  async #one(collection: string, id: string): Promise<RecordModel | null> {
    if (!/^[a-z0-9]{15}$/.test(id)) return null;
    try {
      return await this.#client.call((client) => client.collection(collection).getOne(id));
    } catch (error) {
      if (isStatus(error, 404)) return null;
      throw error;
    }
  }

  async #list(collection: string, { user, page, perPage }: ListOptions) {
    const { items, totalItems } = await this.#client.call((client) =>
      client.collection(collection).getList(page, perPage, {
        sort: '-created',
        ...(user === null ? {} : { filter: client.filter('user = {:user}', { user }) }),
      }),
    );
    return { items, total: totalItems };
  }
}

function toSession(record: RecordModel): SessionRow {
  return {
    id: record.id,
    user: String(record['user']),
    user_agent: String(record['user_agent'] ?? ''),
    address: String(record['address'] ?? ''),
    expires_at: time(record['expires_at']) ?? '',
    created: time(record['created']) ?? '',
  };
}

function toKey(record: RecordModel): ApiKeyRow {
  return {
    id: record.id,
    user: String(record['user']),
    name: String(record['name']),
    prefix: String(record['prefix']),
    permissions: (record['permissions'] ?? []) as Permission[],
    expires_at: time(record['expires_at']),
    last_used_at: time(record['last_used_at']),
    created: time(record['created']) ?? '',
  };
}

function time(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.replace(' ', 'T') : null;
}
